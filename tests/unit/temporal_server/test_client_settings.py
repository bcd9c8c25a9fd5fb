"""What `TEMPORAL_*` variables mean for a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.errors import InputError
from smithers.project import Project
from smithers.temporal.client import _config

PROJECT = Project(Path("/somewhere"))
ADDRESS = "temporal.example:7233"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", ADDRESS)
    monkeypatch.delenv("TEMPORAL_NAMESPACE", raising=False)


def test_the_local_server_gets_no_key_and_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.delenv("TEMPORAL_NAMESPACE", raising=False)

    config = _config(PROJECT, "127.0.0.1:17233", {"TEMPORAL_API_KEY": "secret", "TEMPORAL_TLS": "true"})

    assert config == {"target_host": "127.0.0.1:17233", "namespace": "default"}


def test_an_api_key_brings_tls(elsewhere: None) -> None:
    config = _config(PROJECT, ADDRESS, {"TEMPORAL_API_KEY": "secret", "TEMPORAL_NAMESPACE": "mine.abc"})

    assert config.get("api_key") == "secret"
    assert config.get("tls")
    assert (config.get("target_host"), config.get("namespace")) == (ADDRESS, "mine.abc")


@pytest.mark.parametrize(
    ("cert", "key", "ca"),
    [
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ("TEMPORAL_TLS_CERT", "TEMPORAL_TLS_KEY", "TEMPORAL_TLS_CA"),
    ],
)
def test_certificates_are_read_by_either_name(elsewhere: None, tmp_path: Path, cert: str, key: str, ca: str) -> None:
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_text(name)

    config = _config(
        PROJECT, ADDRESS, {cert: str(tmp_path / "cert"), key: str(tmp_path / "key"), ca: str(tmp_path / "ca")}
    )

    tls = config.get("tls")
    assert tls
    assert not isinstance(tls, bool)
    assert (tls.client_cert, tls.client_private_key, tls.server_root_ca_cert) == (b"cert", b"key", b"ca")


def test_a_profile_file_counts_only_when_it_is_named(elsewhere: None, tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "other:1"\nnamespace = "from-file"\napi_key = "k"\n')

    named = _config(PROJECT, ADDRESS, {"TEMPORAL_CONFIG_FILE": str(file)})

    assert (named.get("target_host"), named.get("namespace"), named.get("api_key")) == (ADDRESS, "from-file", "k")
    assert _config(PROJECT, ADDRESS, {}) == {"target_host": ADDRESS, "namespace": "default"}


def test_a_missing_profile_file_is_the_callers_mistake(elsewhere: None) -> None:
    with pytest.raises(InputError, match=r"settings for the Temporal server at temporal\.example"):
        _config(PROJECT, ADDRESS, {"TEMPORAL_PROFILE": "nobody"})
