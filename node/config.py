"""The settings of a node: `node.toml` in its folder, and the environment over it.

Every setting is described once, in the models below; the file that `spalier init`
writes and deploy/node.example.toml are rendered from them (`render_config`).
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from federation.errors import IdentifierError
from federation.ids import parse_base_url
from node.config_faults import (
    address_sentence,
    faults_of,
    unknown_setting,
    with_origin,
)
from node.config_sections import (
    BackupConfig,
    ChiffreConfig,
    DatabaseConfig,
    LimitsConfig,
    ListenConfig,
    LogConfig,
    MailConfig,
    MetricsConfig,
    NetworkConfig,
)
from node.errors import ConfigInvalidError, ConflictError, InputFault, UnavailableError
from node.sentence import Sentence, system_reason

CONFIG_FILE: Final = "node.toml"
# Present while `spalier init` is at work; left over if it was interrupted.
UNFINISHED_FILE: Final = "node.init-unfinished"
ENVIRONMENT_PREFIX: Final = "SPALIER_"
# Read by the command line, no setting of a node.
FOLDER_VARIABLE: Final = "SPALIER_NODE"
_SEPARATOR: Final = "__"
_CONFIG_BYTES_MAX: Final = 64 * 1024
_NAME_CHARACTERS_MAX: Final = 200

Language = Literal["de", "en"]


def _check_name(name: str) -> str:
    if name != name.strip() or not name.isprintable() or not name:
        raise PydanticCustomError(
            "name", "The name must be one line of text without spaces around it."
        )
    return name


def _check_base_url(text: str) -> str:
    # Whether plain http is permitted depends on another setting: NodeConfig.
    return _base_url(text, allow_loopback_http=True)


def _base_url(text: str, *, allow_loopback_http: bool) -> str:
    try:
        return parse_base_url(text, allow_loopback_http=allow_loopback_http)
    except IdentifierError as error:
        raise PydanticCustomError(
            "base_url", "{reason}", {"reason": str(error), "found": error}
        ) from error


class NodeConfig(BaseSettings):
    """All settings of a node, checked. It cannot be changed afterwards."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[
        str,
        Field(
            description="Public address of the node: partners know every entry by it. "
            "Never change it here: spalier move-origin does."
        ),
        AfterValidator(_check_base_url),
    ]
    name: Annotated[
        str,
        Field(
            description="Name of the cluster, as members and partners read it.",
            max_length=_NAME_CHARACTERS_MAX,
        ),
        AfterValidator(_check_name),
    ]
    default_language: Annotated[
        Language,
        Field(description='"de" or "en": pages and mails where nobody has chosen.'),
    ] = "de"
    demo: Annotated[
        bool, Field(description="Mark every page: the data are invented.")
    ] = False
    listen: ListenConfig = ListenConfig()
    database: DatabaseConfig = DatabaseConfig()
    network: NetworkConfig = NetworkConfig()
    limits: LimitsConfig = LimitsConfig()
    mail: MailConfig = MailConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    backup: BackupConfig = BackupConfig()
    chiffre: ChiffreConfig = ChiffreConfig()

    @model_validator(mode="after")
    def _address(self) -> "NodeConfig":
        _base_url(self.base_url, allow_loopback_http=self.network.allow_loopback_http)
        return self

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from `load_config` only, which knows where each came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load_config(folder: Path, environ: Mapping[str, str] | None = None) -> NodeConfig:
    """Read a node's settings.

    `SPALIER_MAIL__SMTP__PORT=25` in the environment wins over `port` in the
    section `[mail.smtp]` of the file.

    Args:
        folder: The node's folder.
        environ: The environment; the process's own if it is left out.

    Raises:
        ConfigInvalidError: Faults, all of them at once, each with its dotted path
            and the file or variable it stands in.
        ConflictError: The folder's `spalier init` was interrupted.
        UnavailableError: The file cannot be read.
    """
    path = folder / CONFIG_FILE
    if (folder / UNFINISHED_FILE).exists():
        raise ConflictError(
            Sentence(
                "The set-up of the node in {folder} was interrupted.", folder=folder
            ),
            code="init-unfinished",
            path=str(folder),
            hint="Run spalier init again: it starts over.",
        )
    values = _read_file(path)
    faults = list(_unknown(values, str(path)))
    origins: dict[str, str] = {}
    source = os.environ if environ is None else environ
    for name, keys in _variables(source):
        if keys:
            _put(values, keys, source[name])
            origins[".".join(keys)] = name
        else:
            faults.append(_unknown_variable(name))
    config, more = _validated(values)
    faults += [
        InputFault(
            fault.path,
            with_origin(fault.message, origins.get(fault.path, str(path))),
        )
        for fault in more
    ]
    if faults or config is None:
        raise ConfigInvalidError(
            Sentence(
                "The settings of the node in {folder} cannot be used.", folder=folder
            ),
            faults=faults,
        )
    return config


def check_settings(settings: Mapping[str, Any]) -> NodeConfig:
    """Check settings that are not written down yet.

    Args:
        settings: Dotted path to value, as for `render_config`.

    Raises:
        ConfigInvalidError: All faults at once.
    """
    values: dict[str, Any] = {}
    for path, value in settings.items():
        _put(values, tuple(path.split(".")), value)
    faults = list(_unknown(values, ""))
    config, more = _validated(values)
    faults += more
    if faults or config is None:
        raise ConfigInvalidError("The settings cannot be used.", faults=faults)
    return config


def _validated(values: dict[str, Any]) -> tuple[NodeConfig | None, list[InputFault]]:
    known = _known_only(values, NodeConfig)
    try:
        return NodeConfig(**known), []
    except ValidationError as error:
        faults = list(faults_of(error))
    reported = {fault.path for fault in faults}
    # A rule about several settings is not reached while one of them is wrong.
    for path, fault in _combined_faults(known):
        if path not in reported:
            faults.append(fault)
    return None, faults


def _combined_faults(known: dict[str, Any]) -> Iterator[tuple[str, InputFault]]:
    if not isinstance(known.get("base_url"), str):
        return
    network: Any = known.get("network", {})
    try:
        allow = NetworkConfig.model_validate(network).allow_loopback_http
        _base_url(known["base_url"], allow_loopback_http=allow)
    except ValidationError:
        return
    except PydanticCustomError as error:
        yield "base_url", InputFault("base_url", address_sentence(error.context or {}))


def smtp_password(config: NodeConfig, folder: Path) -> SecretStr:
    """Return the password of the mail server, from wherever it stands.

    Raises:
        ConfigInvalidError: The password file cannot be read.
    """
    smtp = config.mail.smtp
    if not smtp.password_file:
        return smtp.password
    path = folder / smtp.password_file
    try:
        return SecretStr(path.read_text(encoding="utf-8").strip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            system_reason(error)
            if isinstance(error, OSError)
            else Sentence("it is not UTF-8 text")
        )
        fault = InputFault(
            path="mail.smtp.password_file",
            message=Sentence(
                "{path} cannot be read: {reason}.", path=path, reason=reason
            ),
        )
        raise ConfigInvalidError(
            "The password of the mail server cannot be read.", faults=[fault]
        ) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_CONFIG_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise _not_readable(
            path,
            Sentence(
                "There is no node in {folder}. Set one up: spalier init",
                folder=path.parent,
            ),
        ) from error
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "The settings {path} cannot be read: {reason}.",
                path=path,
                reason=system_reason(error),
            ),
            code="folder-unusable",
            path=str(path),
            hint="Run the command as the user that the folder belongs to.",
        ) from error
    if len(raw) > _CONFIG_BYTES_MAX:
        raise _not_readable(
            path,
            Sentence("The file is longer than {limit} bytes.", limit=_CONFIG_BYTES_MAX),
        )
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _not_readable(path, Sentence("The file is not UTF-8 text.")) from error
    except tomllib.TOMLDecodeError as error:
        raise _not_readable(
            path, Sentence("The file is not TOML: {reason}.", reason=str(error))
        ) from error


def _not_readable(path: Path, message: Sentence) -> ConfigInvalidError:
    return ConfigInvalidError(message, faults=[InputFault(str(path), message)])


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    annotation = model.model_fields[key].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _settings(model: type[BaseModel] = NodeConfig) -> Iterator[tuple[str, ...]]:
    """Yield the path of every setting."""
    for key in model.model_fields:
        section = _section(model, key)
        if section is None:
            yield (key,)
        else:
            yield from ((key, *rest) for rest in _settings(section))


def _variables(environ: Mapping[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return our variables with the setting each names; empty if it is none."""
    known = {
        ENVIRONMENT_PREFIX + _SEPARATOR.join(keys).upper(): keys for keys in _settings()
    }
    return [
        (name, known.get(name, ()))
        for name in sorted(environ)
        if name.startswith(ENVIRONMENT_PREFIX) and name != FOLDER_VARIABLE
    ]


def _unknown_variable(name: str) -> InputFault:
    known = [ENVIRONMENT_PREFIX + _SEPARATOR.join(keys).upper() for keys in _settings()]
    return InputFault(
        path=name,
        message=unknown_setting(
            Sentence("The environment names a setting that does not exist."),
            name,
            known,
        ),
    )


def _unknown(
    values: Mapping[str, Any],
    source: str,
    model: type[BaseModel] = NodeConfig,
    above: tuple[str, ...] = (),
) -> Iterator[InputFault]:
    for key, value in values.items():
        if key not in model.model_fields:
            message = unknown_setting(
                Sentence("There is no such setting."), key, [*model.model_fields]
            )
            yield InputFault(
                path=".".join((*above, key)),
                message=with_origin(message, source) if source else message,
            )
            continue
        section = _section(model, key)
        if section is not None and isinstance(value, dict):
            yield from _unknown(value, source, section, (*above, key))


def _known_only(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Leave out unknown keys, which are reported already, with a better text."""
    known: dict[str, Any] = {}
    for key, value in values.items():
        if key in model.model_fields:
            section = _section(model, key)
            is_table = section is not None and isinstance(value, dict)
            known[key] = _known_only(value, section) if is_table and section else value
    return known


def _put(values: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        inner = values.get(key)
        if not isinstance(inner, dict):
            inner = values[key] = {}
        values = inner
    values[keys[-1]] = value


def render_config(values: Mapping[str, Any]) -> str:
    """Return the text of a settings file with every setting explained.

    Args:
        values: Dotted path to value; what is not named stands there as a comment
            with its default.

    Raises:
        KeyError: A path names no setting.
    """
    unknown = set(values) - {".".join(keys) for keys in _settings()}
    if unknown:
        raise KeyError(*sorted(unknown))
    lines = [
        "# Settings of a Spalier node. A line that starts with # shows the default.",
        "# The environment wins: SPALIER_LISTEN__PORT=8081 sets port in [listen].",
        "",
    ]
    lines += _rendered(NodeConfig, values, ())
    return "\n".join(lines).rstrip() + "\n"


def _rendered(
    model: type[BaseModel], values: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[str]:
    sections: list[tuple[str, type[BaseModel]]] = []
    for key, field in model.model_fields.items():
        section = _section(model, key)
        if section is not None:
            sections.append((key, section))
            continue
        yield from (f"# {line}" for line in _wrapped(field.description or ""))
        path = ".".join((*above, key))
        if path in values:
            yield f"{key} = {_toml(values[path])}"
        elif field.is_required():
            yield f'# {key} = "…"'
        else:
            yield f"# {key} = {_toml(field.default)}"
        yield ""
    for key, section in sections:
        yield f"# {(section.__doc__ or '').strip()}"
        yield f"[{'.'.join((*above, key))}]"
        yield from _rendered(section, values, (*above, key))


def _wrapped(text: str, *, width: int = 80) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line else lines


def _toml(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    # JSON strings, numbers and booleans are TOML, except for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def example_config() -> str:
    """Return the text of deploy/node.example.toml."""
    return render_config(
        {
            "base_url": "https://spalier.example.org",
            "name": "Beispiel-Netz Laser",
            "default_language": "de",
        }
    )
