"""run.py's own decisions: no network, no environment is really made."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import run


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An empty project whose pip and venv are replaced by ones that only pretend."""

    def pretend_venv(path, **options):
        python = run.Environment(path.parent).python
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    (tmp_path / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run.venv, "create", pretend_venv)
    pip_returns(monkeypatch, 0)
    return run.Environment(tmp_path)


def pip_returns(monkeypatch, status, output=b""):
    done = subprocess.CompletedProcess([], status, output)
    monkeypatch.setattr(run.subprocess, "run", lambda *args, **kwargs: done)
    monkeypatch.setattr(run, "pip_version", lambda: "23.0.1")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["--verbose", "test"]])
def test_bad_usage_prints_help_and_exits_2(arguments):
    script = [sys.executable, run.__file__, *arguments]
    result = subprocess.run(script, capture_output=True, text=True)
    assert result.returncode == 2
    assert "run.py demo" in result.stderr
    assert "run.py test" in result.stderr
    assert result.stdout == ""


def test_help_was_asked_for_and_succeeds(capsys):
    assert run.main(["--help"]) == 0
    assert "run.py demo" in capsys.readouterr().out


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 99)])
def test_an_old_python_is_told_which_one_is_needed(version):
    with pytest.raises(run.SetupError, match=r"3\.11 or newer.*this is 3\.\d+\.\d+"):
        run.check_python(version)


def test_the_script_has_no_syntax_an_old_python_cannot_read():
    ast.parse(Path(run.__file__).read_text(), feature_version=(3, 8))


def test_supported_versions_pass():
    run.check_python((3, 11, 0))
    run.check_python(sys.version_info[:3])
    run.check_pip("22.3")
    run.check_pip("100.0.dev1")


@pytest.mark.parametrize(("version", "advice"), [(None, "ensurepip"), ("22.0.2", "--upgrade pip")])
def test_a_missing_or_old_pip_is_named_with_the_way_out(version, advice):
    with pytest.raises(run.SetupError, match=advice):
        run.check_pip(version)


def test_a_built_environment_is_ready_for_its_extra_only(environment):
    assert not environment.is_ready(["demo"])
    environment.build("demo")
    assert environment.is_ready(["demo"])
    assert environment.is_ready(["demo", "dev"])
    assert not environment.is_ready(["dev"])


def test_an_environment_made_for_the_tests_serves_the_demo(environment):
    environment.build(run.COMMANDS["test"][1][0])
    assert environment.is_ready(run.COMMANDS["demo"][1])


def test_the_stamp_follows_pyproject_the_python_and_the_place(environment, monkeypatch):
    key = environment.key("dev")
    assert environment.key("dev") == key
    (environment.root / "pyproject.toml").write_text("[project]\nname = 'other'")
    other_pyproject = environment.key("dev")
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    other_python = environment.key("dev")
    (environment.root / "moved").mkdir()
    (environment.root / "moved/pyproject.toml").write_text("[project]")
    other_place = run.Environment(environment.root / "moved").key("dev")
    assert len({key, other_pyproject, other_python, other_place}) == 4


def test_a_half_made_environment_is_not_ready(environment):
    environment.build("dev")
    environment.stamp.unlink()
    assert not environment.is_ready(["dev"])
    environment.build("dev")
    environment.python.unlink()
    assert not environment.is_ready(["dev"])


def test_an_environment_is_not_pulled_from_under_the_python_in_use(environment, monkeypatch):
    environment.build("demo")
    monkeypatch.setattr(sys, "prefix", str(environment.path))
    with pytest.raises(run.SetupError, match="deactivate"):
        environment.build("dev")
    assert environment.is_ready(["demo"])


def test_a_failed_install_shows_what_pip_said_and_leaves_no_stamp(
    environment, monkeypatch, capfdbinary
):
    environment.build("demo")
    pip_returns(monkeypatch, 1, b"ERROR: no such distribution\n")
    assert run.main(["test"]) == 1
    error = capfdbinary.readouterr().err
    assert b"no such distribution" in error
    assert b"pip could not install" in error
    assert not environment.stamp.exists()


def test_an_interrupted_install_leaves_no_stamp_and_exits_130(environment, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    environment.build("demo")
    monkeypatch.setattr(run.subprocess, "run", interrupted)
    assert run.main(["test"]) == 130
    assert not environment.stamp.exists()


@pytest.mark.parametrize("status", [0, 1, 5])
def test_arguments_go_in_and_the_exit_status_comes_out(environment, status):
    environment.python = Path(sys.executable)
    check = "import sys; sys.exit(int(sys.argv[1]))"
    assert environment.call(["-c", check, str(status)]) == status


def test_a_ready_environment_is_used_as_it_is(environment, monkeypatch):
    calls = []
    environment.build("dev")
    monkeypatch.setattr(run.Environment, "build", lambda self, extra: calls.append("build"))
    monkeypatch.setattr(run.Environment, "call", lambda self, args: calls.append(args) or 7)
    assert run.main(["test", "-k", "relu"]) == 7
    assert calls == [["-m", "pytest", "-k", "relu"]]
