//! TLS 1.3 between two nodes that know each other's key, over any byte stream.
//!
//! Both sides present a raw Ed25519 public key (RFC 7250) instead of a certificate: there is no
//! name, date or issuer that anybody would check. The one key exchange is X25519MLKEM768
//! (draft-ietf-tls-ecdhe-mlkem), so that a recording stays closed to a later quantum computer; the
//! ciphers are the two with 256-bit keys. No tickets, no resumption, no early data, no SNI; ALPN
//! `h2` is required. The other side's key is compared only after its signature over the handshake
//! was verified, so that a key reported as somebody's is one that this somebody holds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, IpAddr, Ipv4Addr, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Accepted, AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName,
    OtherError, PeerMisbehaved, ServerConfig, SignatureScheme, version,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{StartHandshake, TlsAcceptor, TlsConnector, TlsStream};
use zeroize::Zeroizing;

use super::error::{Error, Misbehaviour};
use super::public_key::PublicKey;

/// The protocol that runs inside, as ALPN (RFC 7301) names it.
const ALPN: &[u8] = b"h2";

/// DER in front of the 32 bytes of an Ed25519 public key: SubjectPublicKeyInfo, RFC 8410 §4.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// DER in front of the 32 bytes of an Ed25519 seed: OneAsymmetricKey, RFC 8410 §7.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// How long, and for how many bytes, a turned-away stream is read on, so that the alert reaches it.
const READ_ON_WAIT: Duration = Duration::from_secs(1);
const READ_ON_BYTES_MAX: usize = 64 << 10;

/// This node's key and the one key that it expects of its peer, ready for either role in TLS.
#[derive(Clone)]
pub struct PinnedTls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    peer: PublicKey,
}

impl PinnedTls {
    /// Prepares TLS between the node whose Ed25519 seed (RFC 8032 §5.1.5) is given and `peer`.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the TLS library refuses the key or the settings.
    pub fn new(node_seed: &[u8; 32], peer: PublicKey) -> Result<Self, Error> {
        Self::configure(node_seed, peer).map_err(|_| Error::KeyUnusable)
    }

    fn configure(node_seed: &[u8; 32], peer: PublicKey) -> Result<Self, rustls::Error> {
        let provider = Arc::new(provider());
        let key = raw_public_key(node_seed)?;
        let verifier = Arc::new(AdmittedKeys {
            admits: Arc::new(move |key| *key == peer),
            provider: provider.clone(),
        });

        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                key.clone(),
            )));
        client.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection proves both keys anew: a key taken off the list is out with the next one.
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;

        Ok(Self {
            client: Arc::new(client),
            server: server_config(provider, verifier, key)?,
            peer,
        })
    }

    /// Runs the handshake as TLS client. The caller bounds the time it may take.
    ///
    /// The client's key travels in the last flight (RFC 8446 §2), so a server that refuses it says so
    /// only after this has returned: the first read then fails.
    pub async fn connect<S>(&self, stream: S) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Never sent, as SNI is off, and never checked, as a raw key has no name in it.
        let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])));
        let secured = TlsConnector::from(self.client.clone())
            .connect(nobody, stream)
            .await;
        self.admit(secured.map_err(|error| handshake_error(&error))?.into())
    }

    /// Runs the handshake as TLS server. The caller bounds the time it may take.
    pub(super) async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.admit(accept(&self.server, stream).await?)
    }

    /// The same, for a listener: it admits the one key.
    pub(super) fn enrolled(&self) -> EnrolledTls {
        let peer = self.peer;
        EnrolledTls {
            server: self.server.clone(),
            admits: Arc::new(move |key| *key == peer),
        }
    }

    /// Lets a finished handshake pass only with `h2` agreed and, once more, with the peer's key: nothing
    /// here rests on rustls having asked the verifier.
    fn admit<S>(&self, secured: TlsStream<S>) -> Result<TlsStream<S>, Error> {
        match presented_key(&secured)? {
            key if key == self.peer => Ok(secured),
            _ => Err(Misbehaviour::Tls.into()),
        }
    }
}

/// Says whether a node with this key is let in.
pub type Admission = Arc<dyn Fn(&PublicKey) -> bool + Send + Sync>;

/// A key of this side and a list of the keys that may connect: for a relay and its nodes, and for
/// where a node's paired peers come. The side that connects pins one key, see [`PinnedTls`]; the side
/// that accepts learns from the handshake which key was proven.
#[derive(Clone)]
pub struct EnrolledTls {
    server: Arc<ServerConfig>,
    admits: Admission,
}

impl EnrolledTls {
    /// Prepares TLS of the side whose Ed25519 seed is given for the nodes that `admits` lets in.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the TLS library refuses the key or the settings.
    pub fn new(own_seed: &[u8; 32], admits: Admission) -> Result<Self, Error> {
        let provider = Arc::new(provider());
        let verifier = Arc::new(AdmittedKeys {
            admits: admits.clone(),
            provider: provider.clone(),
        });
        let server = raw_public_key(own_seed)
            .and_then(|key| server_config(provider, verifier, key))
            .map_err(|_| Error::KeyUnusable)?;
        Ok(Self { server, admits })
    }

    /// Runs the rest of the handshake whose ClientHello was read; gives the stream and the key that the
    /// node has proven. The caller bounds the time it may take.
    ///
    /// # Errors
    /// [`Error::WrongKey`] if the node is not enrolled, or what else was wrong.
    pub(super) async fn accept<S>(
        &self,
        hello: Accepted,
        stream: S,
    ) -> Result<(TlsStream<S>, PublicKey), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = StartHandshake::from_parts(hello, stream).into_stream(self.server.clone());
        let secured = finished(handshake).await?;
        let key = presented_key(&secured)?;
        // Once more: the list may have changed since the key's signature was verified.
        if (self.admits)(&key) {
            Ok((secured, key))
        } else {
            Err(Misbehaviour::Tls.into())
        }
    }
}

async fn accept<S>(server: &Arc<ServerConfig>, stream: S) -> Result<TlsStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    finished(TlsAcceptor::from(server.clone()).accept(stream)).await
}

/// Runs a handshake to its end; one that fails closes the stream so that the alert arrives.
async fn finished<S>(handshake: tokio_rustls::Accept<S>) -> Result<TlsStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The stream is wanted back, to be read on until the alert has arrived.
    match handshake.into_fallible().await {
        Ok(secured) => Ok(secured.into()),
        Err((error, mut stream)) => {
            close_after(&mut stream, &[]).await;
            Err(handshake_error(&error))
        }
    }
}

/// The key of the other side of a finished handshake with `h2` agreed.
fn presented_key<S>(secured: &TlsStream<S>) -> Result<PublicKey, Error> {
    let (_, connection) = secured.get_ref();
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Error::Incompatible);
    }
    match connection.peer_certificates() {
        Some([spki]) => ed25519_key(spki).ok_or(Misbehaviour::Tls.into()),
        _ => Err(Misbehaviour::Tls.into()),
    }
}

/// The settings of a TLS server: no tickets, no resumption, no early data.
fn server_config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    key: Arc<CertifiedKey>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    server.alpn_protocols = vec![ALPN.to_vec()];
    // As on the client's side: every connection proves both keys anew.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    Ok(Arc::new(server))
}

/// Algorithms of the handshake and the records; nothing weaker is offered or taken.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    }
}

/// Makes the node's key pair into what rustls presents and signs with.
fn raw_public_key(node_seed: &[u8; 32]) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], node_seed].concat());
    let signer = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&pkcs8[..]))?;
    let spki = signer
        .public_key()
        .ok_or(rustls::Error::General("no public key".into()))?;
    let spki = CertificateDer::from(spki.as_ref().to_vec());
    Ok(Arc::new(CertifiedKey::new(vec![spki], signer)))
}

/// Takes the Ed25519 key out of a SubjectPublicKeyInfo; `None` if it is anything else.
fn ed25519_key(spki: &[u8]) -> Option<PublicKey> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()
}

/// Accepts the raw public keys that are admitted, on either side of the handshake: between two nodes
/// the one of the peer, where nodes come those of a list.
struct AdmittedKeys {
    admits: Admission,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for AdmittedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdmittedKeys")
    }
}

/// What [`AdmittedKeys`] hands out through rustls: the other side holds a key that is not admitted.
#[derive(Debug, thiserror::Error)]
#[error("not an admitted key")]
struct OtherKey(PublicKey);

impl AdmittedKeys {
    fn verify_signature(
        &self,
        transcript: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (presented, valid) = proven_key(&self.provider, transcript, spki, signed)?;
        if !(self.admits)(&presented) {
            let other = OtherError(Arc::new(OtherKey(presented)));
            return Err(CertificateError::Other(other).into());
        }
        Ok(valid)
    }
}

/// Checks the form only: whether it is the right key is asked once it has signed.
fn verify_form(spki: &[u8], more: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
    match ed25519_key(spki) {
        Some(_) if more.is_empty() => Ok(()),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

/// Checks the signature over the handshake; gives the key that made it.
fn proven_key(
    provider: &CryptoProvider,
    transcript: &[u8],
    spki: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<(PublicKey, HandshakeSignatureValid), rustls::Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let presented = ed25519_key(spki).ok_or(CertificateError::BadEncoding)?;
    let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
    let algorithms = &provider.signature_verification_algorithms;
    let valid = verify_tls13_signature_with_raw_key(transcript, &spki, signed, algorithms)?;
    Ok((presented, valid))
}

impl ServerCertVerifier for AdmittedKeys {
    fn verify_server_cert(
        &self,
        spki: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_form(spki, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
    }

    fn verify_tls13_signature(
        &self,
        transcript: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(transcript, spki, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AdmittedKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        spki: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        verify_form(spki, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
    }

    fn verify_tls13_signature(
        &self,
        transcript: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(transcript, spki, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Sends `alert`, where it is not sent yet, and closes a stream whose handshake failed, in a way that lets
/// the alert arrive: closing a TCP socket with bytes unread would reset it, and the other side might lose
/// what was sent last.
pub(super) async fn close_after<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, alert: &[u8]) {
    let read_on = async {
        stream.write_all(alert).await?;
        stream.shutdown().await?;
        let mut scratch = [0; 4096];
        let mut left = READ_ON_BYTES_MAX;
        loop {
            match stream.read(&mut scratch).await? {
                0 => return io::Result::Ok(()),
                n if n > left => return Ok(()),
                n => left -= n,
            }
        }
    };
    // However this ends, the other side was turned away for a reason known already.
    let _ = timeout(READ_ON_WAIT, read_on).await;
}

/// Says what a failed handshake means.
fn handshake_error(error: &io::Error) -> Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(error) => tls_error(error),
        None => Error::Gone,
    }
}

/// Says what an error of TLS means in a handshake.
pub(super) fn tls_error(error: &rustls::Error) -> Error {
    match error {
        // Not even a record of TLS.
        rustls::Error::InvalidMessage(_) => Error::NotTls,
        // An alert that says nothing by itself: in a handshake, that the two have nothing in common.
        rustls::Error::AlertReceived(_) if blame(error) == Error::Gone => Error::Incompatible,
        error => blame(error),
    }
}

/// Says what an error of TLS means, at any time of the connection's life.
pub(super) fn blame(error: &rustls::Error) -> Error {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            match other.downcast_ref::<OtherKey>() {
                Some(&OtherKey(presented)) => Error::WrongKey { presented },
                None => Misbehaviour::Tls.into(),
            }
        }
        // A certificate where a raw key belongs.
        Tls::InvalidCertificate(CertificateError::BadEncoding) => Error::Incompatible,
        Tls::AlertReceived(
            AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired,
        ) => Error::KeyRefused,
        Tls::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol
            | AlertDescription::MissingExtension
            | AlertDescription::UnsupportedExtension
            | AlertDescription::IllegalParameter
            | AlertDescription::UnrecognisedName,
        ) => Error::Incompatible,
        Tls::AlertReceived(_) => Error::Gone,
        Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol | Tls::NoCertificatesPresented => {
            Error::Incompatible
        }
        _ => Misbehaviour::Tls.into(),
    }
}
