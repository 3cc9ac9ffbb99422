"""The archive: what stands in it, where the service's address goes, and which addresses are taken."""

import io
import stat
import zipfile

import pytest

from app.cli.widget import source_files
from app.domain.return_url import AddressInvalid
from app.domain.widget_package.archive import PackageDamaged, archive, service_address, with_address
from tests.unit.domain.widget_package.built import ADDRESS, built


def test_the_address_is_all_that_differs_from_the_source() -> None:
    source, files = source_files(), built()
    assert [name for name in source if source[name] != files[name]] == ["script.js"]
    assert files.keys() == source.keys()
    before, after = source["script.js"].decode().splitlines(), files["script.js"].decode().splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ("  const PUBLIC_URL = 'https://bytegpt.invalid';", f"  const PUBLIC_URL = '{ADDRESS}';")
    ]


def test_the_archive_holds_the_files_in_its_root() -> None:
    files = built()
    with zipfile.ZipFile(io.BytesIO(archive(files))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == sorted(files)
        assert {name: opened.read(name) for name in opened.namelist()} == files
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {stat.filemode(entry.external_attr >> 16) for entry in opened.infolist()} == {"?rw-r--r--"}


def test_the_same_files_make_the_same_bytes_in_whatever_order() -> None:
    files = built()
    assert archive(files) == archive(dict(reversed(files.items())))


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("https://bot.example.com", "https://bot.example.com"),
        ("https://bot.example.com/", "https://bot.example.com"),
        ("HTTPS://Bot.Example.com:443", "https://bot.example.com"),
        ("https://bot.example.com:8443", "https://bot.example.com:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_addresses_that_a_browser_may_call_from_kommo(given: str, address: str) -> None:
    assert service_address(given) == address


@pytest.mark.parametrize(
    "given",
    [
        "",
        "bot.example.com",
        "ftp://bot.example.com",
        "https://bot.example.com/path",
        "https://bot.example.com?x=1",
        "https://user@bot.example.com",
        "https://bot.example.com';alert(1);'",
        "https://bot.example.com\n",
        "https://bot.example.com:99999",
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(AddressInvalid, match="must have the form"):
        service_address(given)


@pytest.mark.parametrize("given", ["http://bot.example.com", "http://192.168.0.7:8000"])
def test_http_is_refused_for_other_machines(given: str) -> None:
    with pytest.raises(AddressInvalid, match="must begin with https"):
        service_address(given)


@pytest.mark.parametrize("times", [0, 2])
def test_a_source_without_the_one_place_is_damaged(times: int) -> None:
    source = source_files()
    line = b"  const PUBLIC_URL = 'https://bytegpt.invalid';\n"
    script = source["script.js"].replace(line, line * times)
    with pytest.raises(PackageDamaged, match="exactly one line"):
        with_address({**source, "script.js": script}, ADDRESS)
