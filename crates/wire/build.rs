//! Generates the Rust side of `proto/` with protox, so that building tacit needs no protoc.

use std::error::Error;
use std::path::Path;

/// Of the service for a node's own clients.
const CONTROL_PROTO: &str = "tacit/v1/control.proto";

/// Rust type that stands for `SessionMessage` in the generated service; `wire` has its codec.
const SESSION_MESSAGE: &str = "::protocol::message::Message";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let root = Path::new("../../proto");
    let protos =
        ["tacit/v1/peer.proto", "tacit/v1/relay.proto", CONTROL_PROTO].map(|path| root.join(path));
    let descriptors = protox::compile(protos, [root])?;
    describe_control(root)?;

    let services = Services {
        peer: tonic_prost_build::configure()
            .build_transport(false)
            .codec_path("crate::SessionCodec")
            .service_generator(),
        others: tonic_prost_build::configure()
            .build_transport(false)
            .service_generator(),
    };
    let mut config = prost_build::Config::new();
    // Chunks hold what people are asked about, if only blinded: nothing that carries them is printed.
    config.skip_debug(["."]);
    // Slices of what was received, passed on without a copy.
    config.bytes([".tacit.v1.Frame.data", ".tacit.v1.Key.identity"]);
    config.service_generator(Box::new(services));
    config.compile_fds(descriptors)?;
    Ok(())
}

/// Leaves the control service's descriptor for server reflection, which shows no other service.
fn describe_control(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_source_info(false);
    compiler.open_file(root.join(CONTROL_PROTO))?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let described = compiler.encode_file_descriptor_set();
    std::fs::write(Path::new(&out).join("control.binpb"), described)?;
    Ok(())
}

/// The session's service speaks in tacit's own message type, the others in the generated ones.
struct Services {
    peer: Box<dyn prost_build::ServiceGenerator>,
    others: Box<dyn prost_build::ServiceGenerator>,
}

impl prost_build::ServiceGenerator for Services {
    fn generate(&mut self, mut service: prost_build::Service, code: &mut String) {
        if service.name != "Peer" {
            return self.others.generate(service, code);
        }
        for method in &mut service.methods {
            for side in [&mut method.input_type, &mut method.output_type] {
                if side == "SessionMessage" {
                    *side = SESSION_MESSAGE.to_owned();
                }
            }
        }
        self.peer.generate(service, code);
    }

    fn finalize(&mut self, code: &mut String) {
        self.peer.finalize(code);
    }
}
