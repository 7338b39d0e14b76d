//! Generates the Rust side of `proto/` with protox, so that building tacit needs no protoc.

use std::error::Error;
use std::path::Path;

/// Of the service for a node's own clients.
const CONTROL_PROTO: &str = "tacit/v1/control.proto";

/// What each message of the control service carries; `control::convert` reads and writes them.
const CONTROL_TYPES: [(&str, &str); 51] = [
    ("ImportListRequest", "crate::control::message::ImportPart"),
    ("ImportListReply", "::admin::list::Imported"),
    ("ListInfoRequest", NOTHING),
    ("ListInfoReply", "::admin::list::StoredLists"),
    ("WithdrawListRequest", "::protocol::ListKind"),
    ("WithdrawListReply", NOTHING),
    ("AddPeerRequest", "::admin::PeerEntry"),
    ("AddPeerReply", "::admin::Peer"),
    ("ChangePeerRequest", "::admin::Peer"),
    ("ChangePeerReply", NOTHING),
    ("RemovePeerRequest", "::admin::PeerNumber"),
    ("RemovePeerReply", NOTHING),
    ("ListPeersRequest", NOTHING),
    ("ListPeersReply", "Vec<::admin::Peer>"),
    ("EnrolClientRequest", "::admin::NewClient"),
    ("EnrolClientReply", "::admin::ClientNumber"),
    ("ChangeRoleRequest", "::admin::RoleChange"),
    ("ChangeRoleReply", NOTHING),
    ("RemoveClientRequest", "::admin::ClientNumber"),
    ("RemoveClientReply", NOTHING),
    ("ListClientsRequest", NOTHING),
    ("ListClientsReply", "Vec<::admin::Client>"),
    ("SubmitQueryRequest", "crate::control::message::NewQuery"),
    ("SubmitQueryReply", "::admin::QueryNumber"),
    ("WithdrawQueryRequest", "::admin::QueryNumber"),
    ("WithdrawQueryReply", NOTHING),
    ("ListQueriesRequest", NOTHING),
    ("ListQueriesReply", "Vec<::admin::query::QuerySummary>"),
    ("WatchQueryRequest", "::admin::QueryNumber"),
    ("QueryUpdate", "Vec<::admin::query::QueryAtPeer>"),
    ("QueryResultsRequest", "::admin::QueryNumber"),
    (
        "StandingResultsRequest",
        "crate::control::message::FoundOnly",
    ),
    ("Results", "crate::control::message::ResultsPart"),
    ("ListSessionsRequest", "crate::control::message::Newest"),
    ("ListSessionsReply", "Vec<::admin::session::SessionSummary>"),
    ("GetReceiptRequest", "::admin::SessionNumber"),
    ("GetReceiptReply", "Vec<u8>"),
    ("ListApprovalsRequest", NOTHING),
    (
        "ListApprovalsReply",
        "Vec<::admin::session::ApprovalSummary>",
    ),
    ("DecideRequest", "::admin::Decision"),
    ("DecideReply", NOTHING),
    ("GetStatusRequest", NOTHING),
    ("GetStatusReply", "::admin::NodeStatus"),
    ("RunNowRequest", "Option<::admin::PeerNumber>"),
    ("RunNowReply", "u32"),
    ("AuditEntriesRequest", "crate::control::message::Newest"),
    ("AuditEntriesReply", "Vec<String>"),
    ("VerifyAuditRequest", "Option<String>"),
    ("VerifyAuditReply", "::admin::AuditVerdict"),
    ("ExportAuditRequest", NOTHING),
    ("ExportAuditPart", "Vec<u8>"),
];
/// `()` under a name, as the generator takes paths alone.
const NOTHING: &str = "crate::control::Nothing";

/// Rust type that stands for `SessionMessage` in the generated service; `wire` has its codec.
const SESSION_MESSAGE: &str = "::protocol::Message";

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
        relay: tonic_prost_build::configure()
            .build_transport(false)
            .service_generator(),
        raw_control: tonic_prost_build::configure()
            .build_transport(false)
            .build_server(false)
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

/// The peers' and the control service speak in tacit's own types, the relay's in the generated ones.
struct Services {
    peer: Box<dyn prost_build::ServiceGenerator>,
    relay: Box<dyn prost_build::ServiceGenerator>,
    raw_control: Box<dyn prost_build::ServiceGenerator>,
}

impl prost_build::ServiceGenerator for Services {
    fn generate(&mut self, mut service: prost_build::Service, code: &mut String) {
        match service.name.as_str() {
            "Peer" => {
                for method in &mut service.methods {
                    for side in [&mut method.input_type, &mut method.output_type] {
                        if side == "SessionMessage" {
                            *side = SESSION_MESSAGE.to_owned();
                        }
                    }
                }
                self.peer.generate(service, code);
            }
            "Control" => {
                generate_control(&service, code);
                // A second client, for tests of what the other one cannot send.
                service.name = "RawControl".to_owned();
                self.raw_control.generate(service, code);
            }
            _ => self.relay.generate(service, code),
        }
    }

    fn finalize(&mut self, code: &mut String) {
        self.peer.finalize(code);
    }
}

/// Client and server of the control service, each with a codec of its own direction for every call.
fn generate_control(service: &prost_build::Service, code: &mut String) {
    let carried = |message: &str| {
        let carried = CONTROL_TYPES.iter().find(|(name, _)| *name == message);
        carried
            .unwrap_or_else(|| panic!("CONTROL_TYPES lacks {message}"))
            .1
    };
    let described = |is_client: bool| {
        let builder = tonic_build::manual::Service::builder()
            .name(&service.name)
            .package(&service.package);
        let methods = service.methods.iter().map(|method| {
            let (request, reply) = (&*method.input_type, &*method.output_type);
            let (sent, received) = match is_client {
                true => (request, reply),
                false => (reply, request),
            };
            let codec = format!(
                "crate::control::codec::CarryingCodec::<{}, crate::pb::{sent}, {}, crate::pb::{received}>",
                carried(sent),
                carried(received),
            );
            let mut described = tonic_build::manual::Method::builder()
                .name(&method.name)
                .route_name(&method.proto_name)
                .input_type(carried(request))
                .output_type(carried(reply))
                .codec_path(codec);
            for comment in &method.comments.leading {
                described = described.comment(comment.trim());
            }
            if method.client_streaming {
                described = described.client_streaming();
            }
            if method.server_streaming {
                described = described.server_streaming();
            }
            described.build()
        });
        methods
            .fold(builder, |builder, method| builder.method(method))
            .build()
    };
    let mut generator = tonic_build::CodeGenBuilder::new();
    generator.emit_package(true).build_transport(false);
    code.push_str(&generator.generate_client(&described(true), "").to_string());
    code.push_str(&generator.generate_server(&described(false), "").to_string());
}
