"""A certificate authority of the emulator's own, and the server certificate that it signs."""

from __future__ import annotations

import ipaddress
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)


def server_certificate(folder: Path, host: str) -> tuple[Path, Path, Path]:
    """Make a server certificate for this start; the authority stays the same for one state folder.

    Args:
        folder: The state folder: ``ca.pem`` goes here, the keys into ``tls`` below.
        host: The address that the server listens on, added to the loopback names.

    Returns:
        The authority's certificate, the server's chain and the server's key, as PEM files.
    """
    private = folder / "tls"
    private.mkdir(mode=0o700, exist_ok=True)
    authority, authority_key = _authority(folder / "ca.pem", private / "ca-key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _builder("127.0.0.1", key, authority.subject)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    chain, key_file = private / "server.pem", private / "server-key.pem"
    chain.write_bytes(_pem(certificate) + _pem(authority))
    _write_key(key_file, key)
    return folder / "ca.pem", chain, key_file


def _authority(file: Path, key_file: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        kept = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if isinstance(kept, ec.EllipticCurvePrivateKey) and certificate.not_valid_after_utc > _now():
            return certificate, kept
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Batch emulator CA")
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        _builder("Batch emulator CA", key, name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(_pem(certificate))
    _write_key(key_file, key)
    return certificate, key


def _builder(common_name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - timedelta(hours=1))
        .not_valid_after(_now() + _LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _names(host: str) -> list[x509.GeneralName]:
    hosts = dict.fromkeys(["127.0.0.1", "::1", "localhost", host])
    names: list[x509.GeneralName] = []
    for name in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            # Microsoft's storage clients tell the account by a host that contains ".blob.core.".
            names += [x509.DNSName(f"{prefix}{name}") for prefix in ("", "*.blob.", "*.blob.core.")]
    return names


def _now() -> datetime:
    return datetime.now(tz=timezone.utc)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
