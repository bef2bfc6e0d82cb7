from pathlib import Path

import pytest

from node.config import (
    check_settings,
    example_config,
    load_config,
    render_config,
    smtp_password,
)
from node.errors import ConfigInvalidError, ConflictError, UnavailableError

MINIMAL = 'base_url = "https://spalier.optence.example"\nname = "Optence e.V."\n'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "node.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def faults_of(folder: Path, environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigInvalidError) as caught:
        load_config(folder, environ or {})
    return {fault.path: fault.message for fault in caught.value.faults}


def test_minimal_file_gets_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    config = load_config(tmp_path, {})
    assert config.name == "Optence e.V."
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 8080)
    assert config.database.url == ""
    assert config.mail.transport == "page"
    assert config.network.allow_loopback_http is False


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "[listen]\nport = 1\n[mail.smtp]\nhost = 'a'\n")
    config = load_config(
        tmp_path,
        {
            "SPALIER_LISTEN__PORT": "8099",
            "SPALIER_DEMO": "true",
            "SPALIER_MAIL__SMTP__PORT": "25",
            "SPALIER_NODE": "/elsewhere",
            "PATH": "/bin",
        },
    )
    assert config.listen.port == 8099
    assert config.demo is True
    assert (config.mail.smtp.host, config.mail.smtp.port) == ("a", 25)


def test_every_fault_is_reported_at_once_with_path_and_source(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'base_url = "http://spalier.optence.example"\n'
        'default_language = "fr"\n'
        "lisen = 1\n"
        "[listen]\n"
        "port = 70000\n"
        "prot = 1\n"
        "[mail.smtp]\n"
        "port = 'many'\n"
        "[database]\n"
        "url = 'mysql://geheim@x/y'\n",
    )
    environ = {"SPALIER_LOG__LEVEL": "loud", "SPALIER_LISTN__PORT": "1"}
    faults = faults_of(tmp_path, environ)
    assert set(faults) == {
        "base_url",
        "name",
        "default_language",
        "lisen",
        "listen.port",
        "listen.prot",
        "mail.smtp.port",
        "database.url",
        "log.level",
        "SPALIER_LISTN__PORT",
    }
    assert "Did you mean listen?" in faults["lisen"]
    assert "Did you mean port?" in faults["listen.prot"]
    assert "Did you mean SPALIER_LISTEN__PORT?" in faults["SPALIER_LISTN__PORT"]
    assert "SPALIER_LOG__LEVEL" in faults["log.level"]
    assert all(str(path) in faults[key] for key in ("name", "listen.port", "lisen"))
    assert "geheim" not in str(faults)


def test_loopback_address_is_refused_together_with_other_faults(
    tmp_path: Path,
) -> None:
    write(tmp_path, 'base_url = "http://127.0.0.1:8101"\n')
    assert set(faults_of(tmp_path)) == {"base_url", "name"}


def test_loopback_address_needs_its_permission(tmp_path: Path) -> None:
    text = 'base_url = "http://127.0.0.1:8101"\nname = "Demo"\n'
    write(tmp_path, text)
    assert set(faults_of(tmp_path)) == {"base_url"}
    write(tmp_path, text + "[network]\nallow_loopback_http = true\n")
    assert load_config(tmp_path, {}).base_url == "http://127.0.0.1:8101"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base_url = ", "not TOML"),
        ("name = 'a'\nname = 'b'\n", "not TOML"),
        (b"name = '\xe4'", "not UTF-8"),
        ("# " + "x" * 70_000, "longer than"),
    ],
)
def test_unreadable_file(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = write(tmp_path, text)
    assert words in faults_of(tmp_path)[str(path)]


def test_folder_without_node(tmp_path: Path) -> None:
    message = faults_of(tmp_path)[str(tmp_path / "node.toml")]
    assert "spalier init" in message


def test_interrupted_set_up_is_not_started(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    (tmp_path / "node.init-unfinished").write_text("{}")
    with pytest.raises(ConflictError) as caught:
        load_config(tmp_path, {})
    assert caught.value.code == "init-unfinished"


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "node.toml").mkdir()
    with pytest.raises(UnavailableError) as caught:
        load_config(tmp_path, {})
    assert caught.value.path == str(tmp_path / "node.toml")


def test_section_given_as_value(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "listen = 8080\n")
    assert set(faults_of(tmp_path)) == {"listen"}


def test_smtp_needs_sender_and_host(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "[mail]\ntransport = 'smtp'\n")
    assert set(faults_of(tmp_path)) == {"mail.transport"}


def test_password_stands_in_one_place(tmp_path: Path) -> None:
    smtp = "[mail.smtp]\npassword_file = 'smtp.secret'\n"
    write(tmp_path, MINIMAL + smtp)
    config = load_config(tmp_path, {})
    with pytest.raises(ConfigInvalidError, match="mail server"):
        smtp_password(config, tmp_path)
    (tmp_path / "smtp.secret").write_text("Größe 42\n", encoding="utf-8")
    assert smtp_password(config, tmp_path).get_secret_value() == "Größe 42"
    environ = {"SPALIER_MAIL__SMTP__PASSWORD": "other"}
    assert set(faults_of(tmp_path, environ)) == {"mail.smtp"}


def test_secrets_do_not_show(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    config = load_config(
        tmp_path,
        {
            "SPALIER_DATABASE__URL": "postgresql+psycopg://a:geheim@h/d",
            "SPALIER_MAIL__SMTP__PASSWORD": "geheim",
        },
    )
    assert "geheim" not in repr(config)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    config = load_config(tmp_path, {})
    with pytest.raises(ValueError, match="frozen"):
        config.name = "x"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        config.listen.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["Optence e.V.", 'A "B" \\ C', "Lärm & Licht 😀", "a'b", "x" * 200]
)
def test_rendered_settings_read_back(tmp_path: Path, name: str) -> None:
    settings = {
        "base_url": "http://127.0.0.1:8101",
        "name": name,
        "default_language": "en",
        "demo": True,
        "listen.port": 8101,
        "network.allow_loopback_http": True,
        "mail.smtp.password": "p",
    }
    write(tmp_path, render_config(settings))
    assert load_config(tmp_path, {}) == check_settings(settings)


@pytest.mark.parametrize("name", ["", " x", "a\nb", "a\x7fb", "x" * 201])
def test_names_that_are_no_names(name: str) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        check_settings({"base_url": "https://a.example", "name": name})
    assert [fault.path for fault in caught.value.faults] == ["name"]


def test_unknown_path_is_not_rendered() -> None:
    with pytest.raises(KeyError, match=r"listen\.prot"):
        render_config({"listen.prot": 1})


def test_example_is_up_to_date(tmp_path: Path) -> None:
    """If this fails, write `node.config.example_config()` to the file."""
    root = Path(__file__).parents[3]
    text = (root / "deploy" / "node.example.toml").read_text(encoding="utf-8")
    assert text == example_config()
    write(tmp_path, text)
    load_config(tmp_path, {})


def test_the_comments_of_the_example_are_the_defaults(tmp_path: Path) -> None:
    lines = example_config().splitlines()
    uncommented = [
        line.removeprefix("# ")
        if line.startswith("# ") and " = " in line and '"page"' not in line[:8]
        else line
        for line in lines
    ]
    write(tmp_path, "\n".join(uncommented))
    with_defaults = load_config(tmp_path, {})
    write(tmp_path, example_config())
    assert with_defaults == load_config(tmp_path, {})


@pytest.mark.parametrize("token", ["short", "with spaces in it....", "ä" * 20])
def test_a_token_that_does_not_go_into_a_header(tmp_path: Path, token: str) -> None:
    write(tmp_path, f'{MINIMAL}\n[metrics]\ntoken = "{token}"\n')
    with pytest.raises(ConfigInvalidError) as caught:
        load_config(tmp_path, {})
    (fault,) = caught.value.faults
    assert fault.path.startswith("metrics")
    assert token not in str(fault)
