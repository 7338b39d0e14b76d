//! Generates the Rust side of `proto/` with protox, so that building tacit needs no protoc.

use std::error::Error;
use std::path::Path;

/// Rust type that stands for `SessionMessage` in the generated service; `wire` has its codec.
const SESSION_MESSAGE: &str = "crate::exchange::message::Message";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let root = Path::new("proto");
    let descriptors = protox::compile([root.join("tacit/v1/peer.proto")], [root])?;

    let peer = tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::wire::SessionCodec")
        .service_generator();
    let mut config = prost_build::Config::new();
    // Chunks hold what people are asked about, if only blinded: nothing that carries them is printed.
    config.skip_debug(["."]);
    config.service_generator(Box::new(SessionService(peer)));
    config.compile_fds(descriptors)?;
    Ok(())
}

/// Has the generated service speak in tacit's own message type instead of the generated one.
struct SessionService(Box<dyn prost_build::ServiceGenerator>);

impl prost_build::ServiceGenerator for SessionService {
    fn generate(&mut self, mut service: prost_build::Service, code: &mut String) {
        for method in &mut service.methods {
            for side in [&mut method.input_type, &mut method.output_type] {
                if side == "SessionMessage" {
                    *side = SESSION_MESSAGE.to_owned();
                }
            }
        }
        self.0.generate(service, code);
    }

    fn finalize(&mut self, code: &mut String) {
        self.0.finalize(code);
    }
}
