//! Other sides than tacit's own: TLS with the right keys and wrong settings, HTTP/2 by hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Request, Response};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme, version,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub const ALICE: [u8; 32] = [1; 32];
pub const BOB: [u8; 32] = [2; 32];
pub const MALLORY: [u8; 32] = [3; 32];

/// A ClientHello of TLS 1.2: RFC 5246 §7.4.1.2, without the supported_versions of RFC 8446.
#[rustfmt::skip]
pub const TLS12_CLIENT_HELLO: &[u8] = &[
    22, 3, 1, 0, 63, 1, 0, 0, 59, 3, 3,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 16,
    0, 10, 0, 4, 0, 2, 0, 29,
    0, 13, 0, 4, 0, 2, 8, 7,
];

/// What is wrong with the other side's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Nothing.
    None,
    /// No post-quantum key exchange.
    X25519Only,
    /// No protocol named.
    NoAlpn,
    /// A client without a key.
    NoKey,
    /// X.509 instead of raw keys.
    Certificate,
    /// The key of Bob, signing with Mallory's.
    StolenKey,
}

/// The public half of a seed.
pub fn public(seed: [u8; 32]) -> [u8; 32] {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    pair.public_key().as_ref().try_into().unwrap()
}

/// Connects as soon as somebody listens.
pub async fn visit(address: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::task::yield_now().await;
            }
            connected => return connected.unwrap(),
        }
    }
}

/// Bob by another program: a TLS client with his key.
pub async fn rough_client(
    stream: TcpStream,
    trick: Trick,
) -> io::Result<client::TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(provider(trick))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(trick)));
    let mut config = match trick {
        Trick::NoKey | Trick::Certificate => config.with_no_client_auth(),
        Trick::StolenKey => config.with_client_cert_resolver(raw_key(BOB, MALLORY)),
        _ => config.with_client_cert_resolver(raw_key(BOB, BOB)),
    };
    config.alpn_protocols = alpn(trick);
    let name = ServerName::try_from("somebody.invalid").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Alice by another program, for one connection: a TLS server with her key. Gives its address.
pub async fn rough_server<T, F>(trick: Trick, talk: T) -> String
where
    T: FnOnce(server::TlsStream<TcpStream>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let config = ServerConfig::builder_with_provider(provider(trick))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody(trick)));
    let mut config = match trick {
        Trick::Certificate => {
            let certificate: Arc<dyn ResolvesServerCert> =
                Arc::new(SingleCertAndKey::from(certified_key(ALICE, ALICE)));
            config.with_cert_resolver(certificate)
        }
        _ => config.with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(
            certified_key(ALICE, ALICE),
        )))),
    };
    config.alpn_protocols = alpn(trick);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(secured) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            talk(secured).await;
        }
    });
    address
}

/// Tells in which alert a handshake or the first read ended.
pub async fn alert_of(
    outcome: io::Result<client::TlsStream<TcpStream>>,
) -> Option<AlertDescription> {
    let error = match outcome {
        Ok(mut stream) => stream.read_to_end(&mut Vec::new()).await.err()?,
        Err(error) => error,
    };
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// One gRPC message, not compressed.
pub fn grpc_frame(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// What opens a session in gRPC.
fn session_headers() -> Request<()> {
    Request::post("https://alice.invalid/tacit.v1.Peer/Session")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// What answers it.
pub fn grpc_response() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

/// What a client writes that opens two streams before it has read how many it may: RFC 9113 §3.4
/// and §6.2, with headers that are neither compressed nor indexed (RFC 7541 §6.2.2).
pub fn two_sessions_at_once() -> Vec<u8> {
    let (headers, settings, end_headers, none) = (1, 4, 4, 0);
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "alice.invalid"),
        (":path", "/tacit.v1.Peer/Session"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for string in [name, value] {
            block.push(string.len() as u8);
            block.extend(string.as_bytes());
        }
    }
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        http2_frame(settings, none, 0, &[]),
        http2_frame(headers, end_headers, 1, &block),
        http2_frame(headers, end_headers, 3, &block),
    ]
    .concat()
}

/// RFC 9113 §4.1.
pub fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads frames up to the reset of `stream`, and gives its reason.
pub async fn reset_of_stream(stream: u32, from: &mut client::TlsStream<TcpStream>) -> [u8; 4] {
    let rst_stream = 3;
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        from.read_exact(&mut payload).await.unwrap();
        if head[3] == rst_stream && head[5..] == stream.to_be_bytes() {
            return payload.try_into().unwrap();
        }
    }
}

/// Opens a session, and leaves the rest of the conversation to the test.
pub async fn session_request(
    stream: client::TlsStream<TcpStream>,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>, Driven) {
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let (freeze, frozen) = oneshot::channel();
    tokio::spawn(async move {
        let mut connection = connection;
        tokio::select! {
            _ = &mut connection => {}
            Ok(()) = frozen => std::future::pending().await,
        }
    });
    let (response, stream) = client.send_request(session_headers(), false).unwrap();
    let driven = Driven { client, freeze };
    (response, stream, driven)
}

/// Keeps an HTTP/2 connection going.
pub struct Driven {
    client: h2::client::SendRequest<Bytes>,
    freeze: oneshot::Sender<()>,
}

impl Driven {
    /// Opens another session on the same connection, and gives the answer.
    pub async fn another_session(&mut self) -> Response<h2::RecvStream> {
        let mut client = self.client.clone().ready().await.unwrap();
        let (response, _) = client.send_request(session_headers(), true).unwrap();
        response.await.unwrap()
    }

    /// Leaves the connection open without ever reading or writing again.
    pub fn freeze(self) {
        self.freeze.send(()).unwrap();
    }
}

pub type Respond = h2::server::SendResponse<Bytes>;

/// Waits for a session to be opened, and lets `answer` answer.
pub async fn session_response<T, F>(stream: server::TlsStream<TcpStream>, answer: T)
where
    T: FnOnce(Respond) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (_request, respond) = connection.accept().await.unwrap().unwrap();
    answer(respond).await;
    while connection.accept().await.is_some() {}
}

fn provider(trick: Trick) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = match trick {
        Trick::X25519Only => vec![aws_lc_rs::kx_group::X25519],
        _ => vec![aws_lc_rs::kx_group::X25519MLKEM768],
    };
    Arc::new(provider)
}

fn alpn(trick: Trick) -> Vec<Vec<u8>> {
    match trick {
        Trick::NoAlpn => Vec::new(),
        _ => vec![b"h2".to_vec()],
    }
}

fn raw_key(presented: [u8; 32], signing: [u8; 32]) -> Arc<dyn ResolvesClientCert> {
    let key = Arc::new(certified_key(presented, signing));
    Arc::new(AlwaysResolvesClientRawPublicKeys::new(key))
}

/// Seeds of the key to present and of the key to sign with, in the DER of RFC 8410.
fn certified_key(presented: [u8; 32], signing: [u8; 32]) -> CertifiedKey {
    let der = |prefix: &str, key: [u8; 32]| [hex::decode(prefix).unwrap(), key.to_vec()].concat();
    let pkcs8 = der("302e020100300506032b657004220420", signing);
    let signer = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
    let spki = der("302a300506032b6570032100", public(presented));
    CertifiedKey::new(vec![CertificateDer::from(spki)], signer)
}

/// Accepts every key, signed for or not.
#[derive(Debug)]
struct Anybody(Trick);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0 != Trick::Certificate
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0 != Trick::Certificate
    }
}
