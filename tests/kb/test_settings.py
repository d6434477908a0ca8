"""Settings come from the file, the environment and flags, each with its origin; what is wrong is named in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from kb import paths
from kb.settings import MASK, Settings, load_settings

JOB = """[[sources]]
name = "manuals"
paths = ["m"]
[[jobs]]
name = "nightly"
sources = ["manuals"]
cron = "0 3 * * *"
"""


def load(
    text: str = "", environment: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    Path("kb.toml").write_text(text, encoding="utf-8")
    return load_settings(None, flags or {}, environment or {})


def refusal(text: str = "", environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text, environment)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(autouse=True)
def _workplace(kb_home: Path) -> None:
    """Run in an empty working directory."""


def test_flags_go_before_the_environment_before_the_file_before_defaults() -> None:
    """Each source of settings overrides the ones under it, and the origin says which one won."""
    environment = {"KB_RETRIEVAL__TOP_K": "5", "KB_ENGINE__SEED": "7", "KB_INGEST__OCR": "true"}
    settings = load(
        "[retrieval]\ntop_k = 3\npassage_characters = 700\n", environment, {"retrieval.top_k": 9, "serve.port": None}
    )
    assert (settings.retrieval.top_k, settings.origins["retrieval.top_k"]) == (9, "flag --top-k")
    assert (settings.engine.seed, settings.origins["engine.seed"]) == (7, "environment KB_ENGINE__SEED")
    assert (settings.retrieval.passage_characters, settings.origins["retrieval.passage_characters"]) == (700, "kb.toml")
    assert (settings.serve.port, settings.origins["serve.port"]) == (8000, "default")
    assert settings.ingest.ocr is True


def test_an_engine_is_changed_by_two_variables() -> None:
    """The contract's example is enough to change the engine."""
    settings = load("", {"KB_ENGINE__NAME": "qwen", "KB_ENGINE__MODEL": "./Qwen2.5-7B-Instruct"})
    assert (settings.engine.name, settings.engine.model) == ("qwen", "./Qwen2.5-7B-Instruct")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[engin]\nname = "qwen"', "unknown key 'engin'. Did you mean 'engine'?"),
        ('[engine]\nnmae = "qwen"', "unknown key 'engine.nmae'. Did you mean 'engine.name'?"),
        ("[retrieval]\nchunk_tokens = 3", "Did you mean 'ingest.chunk_tokens'?"),
        ("top_k = 3", "unknown key 'top_k'. Did you mean"),
        ('[[sources]]\nname = "a"\npath = ["x"]', "unknown key 'sources.0.path'. Did you mean 'paths'?"),
        ('[engine]\nname = "qwn"', "engine.name: must be 'extractive', 'qwen' or 'openai', not 'qwn'"),
        ('[retrieval]\ntop_k = "5"', "retrieval.top_k: must be a valid integer, not '5'"),
        ("[retrieval]\ntop_k = 0", "retrieval.top_k: must be greater than or equal to 1, not 0"),
        ("[retrieval]\nscore_threshold = nan", "retrieval.score_threshold: must be"),
        ("[ingest]\nocr = 1", "ingest.ocr: must be a valid boolean"),
        ("engine = 3", "engine: must be a table: [engine], not 3"),
        ("[[retrieval]]\ntop_k = 3", "retrieval: must be a table: [retrieval]"),
        ('[ingest]\nallow_hosts = ["http://wiki"]', "ingest.allow_hosts: must be a host such as"),
        ('[ingest]\nallow_hosts = ["10.0.0.1/8"]', "or a network such as 10.0.0.0/8, not '10.0.0.1/8'"),
        ('[ingest]\nallow_hosts = [""]', "ingest.allow_hosts: must be a host"),
        ("[x", "kb.toml: "),
        ('[engine]\nname = "openai"', "engine.base_url is not set"),
        ('[engine]\nname = "qwen"', "engine.model is not set"),
        ('[engine]\nbase_url = "http://a b/v1"', "engine.base_url: must be an http or https address"),
        ('[engine]\nbase_url = "http://a\\tb/v1"', "engine.base_url: must be an http or https address"),
        ('[engine]\nendpoints = ["ftp://x"]', "engine.endpoints: must be an http or https address"),
        ('[engine]\nendpoints = ["http://u:hidden@x"]', "must not hold a user name or password"),
        ('[engine]\nendpoints = [{base_url = "http://x", api_key_env = "sk-1"}]', "engine.endpoints.0.api_key_env"),
        ('[engine]\nendpoints = [{model = "m"}]', "engine.endpoints.0.base_url: is missing"),
        ('[engine]\nendpoints = ["http://x"]\nbase_url = "http://y"', "are both set"),
        ('[engine]\nbase_url = "ftp://x"', "engine.base_url: must be an http or https address"),
        ("[engine]\nwindow = 600\nmax_new_tokens = 600", "engine.max_new_tokens (600) must be smaller"),
        ('[[sources]]\nname = "a"', "sources.a: needs `paths`, `urls` or a `reader`"),
        ('[[sources]]\nname = "a"\nurls = ["file:///etc/passwd"]', "sources.a.urls: must be an http or https address"),
        ('[[sources]]\nname = "a"\nreader = "rm -rf"', "sources.a.reader: must be an import path"),
        ('[[sources]]\nname = "a"\npaths = ["x"]\narguments = {b = 1}', "sources.a.arguments: are for a `reader`"),
        ('[[sources]]\nname = "a/b"\npaths = ["x"]', "sources.0.name: must match pattern"),
        (JOB + '[[sources]]\nname = "manuals"\npaths = ["m"]', "sources.manuals: the name is used twice"),
        (JOB.replace('= ["manuals"]', '= ["manual"]'), "there is no source 'manual'. Did you mean 'manuals'?"),
        (JOB.replace("0 3 * * *", "0 25 * * *"), "jobs.nightly: cron"),
        (JOB.replace("0 3 * * *", "0 3 * *"), "jobs.nightly: cron"),
        (JOB.replace("0 3 * * *", "0 3 31 2 *"), "jobs.nightly.cron: '0 3 31 2 *' is never due"),
        (JOB + 'timezone = "Asia/Shangai"', "jobs.nightly: unknown time zone 'Asia/Shangai'"),
        (JOB + 'kb = ".hidden"', "jobs.nightly.kb: "),
        (JOB.replace('cron = "0 3 * * *"\n', ""), "jobs.0.cron: is missing"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text: str, said: str) -> None:
    """A wrong file ends in one line that names file, key and, where there is one, the nearest right name."""
    message = refusal(text)
    assert said in message
    assert "kb.toml" in message or "max_new_tokens" in message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KB_ENGINE__NAM", "qwen", "KB_ENGINE__NAM is not a setting. Did you mean 'KB_ENGINE__NAME'?"),
        ("KB_TOP__K", "3", "KB_TOP__K is not a setting. Did you mean"),
        ("KB_SOURCES__0", "x", "KB_SOURCES__0 is not a setting."),
        ("KB_RETRIEVAL__TOP_K", "many", "environment KB_RETRIEVAL__TOP_K: retrieval.top_k: must be a valid integer"),
        ("KB_RETRIEVAL__SCORE_THRESHOLD", "NaN", "KB_RETRIEVAL__SCORE_THRESHOLD"),
        ("KB_ENGINE__BASE_URL", "http://user:hunter2@x", "must not hold a user name or password"),
    ],
)
def test_a_wrong_variable_is_refused_in_one_line(variable: str, value: str, said: str) -> None:
    """A wrong variable ends in one line that names it; a secret in it is not repeated."""
    message = refusal("", {variable: value})
    assert said in message
    assert "hunter2" not in message


def test_variables_that_are_not_settings_are_left_alone() -> None:
    """Variables of tests and of container platforms are no settings; one that reads like ours is mentioned."""
    environment = {
        "KB_TEST_CORPUS": "/x",
        "KB_DEBUG": "1",
        "KB_PORT": "tcp://10.0.0.1",
        "KB_SERVE_PORT": "tcp://10.0.0.1",
    }
    settings = load("", environment)
    assert settings.notices == ("KB_SERVE_PORT is not read; the setting is KB_SERVE__PORT",)


def test_variables_hold_lists_and_blanks() -> None:
    """A list is separated by commas, and a blank unsets what may be unset."""
    environment = {"KB_INGEST__ALLOW_HOSTS": "intranet, wiki:8080", "KB_ENGINE__SEED": " "}
    settings = load("[engine]\nseed = 9\n", environment)
    assert settings.ingest.allow_hosts == ["intranet", "wiki:8080"]
    assert settings.engine.seed is None


def test_a_config_that_does_not_exist_is_refused() -> None:
    """A file that is named and not there is an error, not a default."""
    with pytest.raises(ConfigurationError, match=r"other\.toml does not exist"):
        load_settings(Path("other.toml"), {}, {})


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """Sources and model directories are found from wherever the command runs; a hub's name stays a name."""
    folder = tmp_path / "etc"
    (folder / "bge").mkdir(parents=True)
    text = '[embedding]\nname = "bge"\nmodel = "bge"\n[engine]\nmodel = "Qwen/Qwen2.5-7B-Instruct"\n' + JOB
    (folder / "kb.toml").write_text(text, encoding="utf-8")
    settings = load_settings(folder / "kb.toml", {}, {})
    assert settings.sources[0].paths == [str(folder / "m")]
    assert settings.embedding.model == str(folder / "bge")
    assert settings.engine.model == "Qwen/Qwen2.5-7B-Instruct"


def test_the_home_is_kb_home_then_the_file_then_the_platform(tmp_path: Path) -> None:
    """KB_HOME goes before `home` in the file, which goes before the user data folder of the platform."""
    in_file = f'home = "{(tmp_path / "a").as_posix()}"\n'
    both = load(in_file, {"KB_HOME": str(tmp_path / "b")})
    assert (both.home, both.origins["home"]) == (tmp_path / "b", "environment KB_HOME")
    assert (load(in_file).home, load(in_file).origins["home"]) == (tmp_path / "a", "kb.toml")
    assert (load().home, load().origins["home"]) == (paths.default_home(), "default")


def test_secrets_are_masked() -> None:
    """The key is neither among the effective values nor in the text of the settings."""
    settings = load("", {"KB_SERVE__API_KEY": "hunter2"})
    assert settings.serve.api_key == "hunter2"
    shown = {key: value for key, value, _ in settings.effective()}
    assert shown["serve.api_key"] == MASK
    assert "hunter2" not in repr(settings) + str(shown)


def test_an_unset_secret_is_shown_as_unset() -> None:
    """Masking does not make an empty key look like one."""
    assert {key: value for key, value, _ in load().effective()}["serve.api_key"] == ""


@pytest.mark.parametrize("profile", paths.PROFILES)
def test_each_profile_is_a_valid_configuration(profile: str) -> None:
    """Every shipped profile loads, and changes only what it says."""
    settings = load(paths.profile_text(profile))
    assert settings.origins["embedding.name"] == "kb.toml"


@pytest.mark.parametrize("name", ["default", "人事手册", "a.b-c_d", "x" * 64])
def test_names_of_knowledge_bases(name: str) -> None:
    """Letters of any script, digits and the three signs make a name."""
    assert paths.check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-x", "a/b", "a\\b", "a b", "x" * 65, "a\0", "a\n", "CON:"])
def test_names_that_could_leave_the_home_are_refused(name: str) -> None:
    """A name is a folder under the home, so separators, dots in front and control characters are wrong usage."""
    with pytest.raises(Exception, match="cannot name a knowledge base") as caught:
        paths.check_name(name)
    assert getattr(caught.value, "exit_code", None) == 2


def test_hosts_and_networks_may_be_allowed() -> None:
    """Names, addresses of both kinds, ports and networks are taken as they are written."""
    entries = ["wiki", "wiki.example:8080", "127.0.0.1", "::1", "[::1]:8000", "10.0.0.0/8", "fd00::/8"]
    listed = ", ".join(f'"{entry}"' for entry in entries)
    assert load(f"[ingest]\nallow_hosts = [{listed}]").ingest.allow_hosts == entries


@pytest.mark.parametrize(
    "text",
    [
        "[ingest]\npasswords = [77312]",
        '[ingest]\npasswords = "77312"',
        "[serve]\napi_key = 77312",
        '[engine]\napi_key_env = "sk-77312"',
    ],
)
def test_a_refused_secret_is_not_repeated(text: str) -> None:
    """What stands where a secret belongs is not shown, also where a key is written in place of a variable's name."""
    assert "77312" not in refusal(text)


def test_arguments_of_readers_are_masked() -> None:
    """A reader's arguments may hold a token: their names are shown, their values are not."""
    settings = load('[[sources]]\nname = "wiki"\nreader = "package.Reader"\narguments = { token = "77312" }')
    shown = {key: value for key, value, _ in settings.effective()}
    assert shown["sources.0.arguments"] == {"token": MASK}
    assert settings.sources[0].arguments == {"token": "77312"}


LLAMA_INDEX = '[embedding]\nname = "llama_index"\nembedder = "package.Embedding"\nmax_tokens = 512\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LLAMA_INDEX.replace("max_tokens = 512\n", ""), "embedding.max_tokens is not set"),
        (LLAMA_INDEX.replace("package.Embedding", "rm -rf"), "embedding.embedder must be an import path"),
        (LLAMA_INDEX.replace('name = "llama_index"\n', ""), "only read with embedding.name = 'llama_index'"),
        (LLAMA_INDEX + 'arguments = "77312"', "embedding.arguments: must be a valid dictionary"),
    ],
)
def test_a_llama_index_embedding_needs_path_and_length(text: str, said: str) -> None:
    """Without its import path and the length that it reads such an embedding is not taken; arguments stay unseen."""
    message = refusal(text)
    assert said in message
    assert "77312" not in message


def test_arguments_of_an_embedding_are_masked_and_may_come_as_json() -> None:
    """They often hold a key: neither `kb config` nor an error shows them. Another name goes before what a file says."""
    settings = load(LLAMA_INDEX + 'tokenizer = "m"', {"KB_EMBEDDING__ARGUMENTS": '{"api_key": "77312", "n": 3}'})
    assert settings.embedding.arguments == {"api_key": "77312", "n": 3}
    assert Path(settings.embedding.tokenizer) == Path.cwd() / "m"
    shown = {key: value for key, value, _ in settings.effective()}
    assert shown["embedding.arguments"] == MASK
    assert "77312" not in repr(settings) + str(shown)
    assert "77312" not in refusal(LLAMA_INDEX, {"KB_EMBEDDING__ARGUMENTS": "{77312"})
    assert load(LLAMA_INDEX, {"KB_EMBEDDING__NAME": "hash"}).embedding.name == "hash"
