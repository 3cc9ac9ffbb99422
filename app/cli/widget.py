"""`bytegpt widget`: the archive that is uploaded to Kommo."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from app.cli.output import print_json
from app.domain.return_url import AddressInvalid
from app.domain.widget_package.archive import PackageDamaged, archive, service_address, with_address, with_tour
from app.domain.widget_package.files import MANIFEST, read_object
from app.domain.widget_package.rules import broken_rules

# The Python package that carries the source of the widget, in a checkout and when installed.
_CARRIER = "widget"


@click.group()
def widget() -> None:
    """Build the widget for Kommo."""


@widget.command()
@click.option("--public-url", required=True, metavar="URL", help="Where Kommo reaches the service: PUBLIC_URL.")
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive to write, for example widget.zip.",
)
@click.option("--tour", is_flag=True, help="Add a tour: only where Kommo's upload asks for one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def build(public_url: str, out: Path, tour: bool, as_json: bool) -> None:
    """Write the archive to upload to Kommo, after checking everything that Kommo asks of it.

    The version is the one in widget/package/manifest.json: raise it before you upload again.
    """
    try:
        address = service_address(public_url)
        built = with_address(source_files(), address)
        if tour:
            built = with_tour(built, tour_image())
    except AddressInvalid as error:
        raise click.BadParameter(f"{error}.", param_hint="--public-url") from None
    except PackageDamaged as error:
        raise click.ClickException(f"the source of the widget is damaged: {error}.") from None
    broken = broken_rules(built)
    if broken:
        raise click.ClickException("\n".join(["Kommo would refuse this widget:", *(f"  {one}" for one in broken)]))
    content = archive(built)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror or error}.") from None
    _tell(out, address, built, content, as_json)


def source_files() -> dict[str, bytes]:
    """The files of widget/package by their names in the archive."""
    return dict(_below(resources(_CARRIER) / "package", ""))


def tour_image() -> bytes:
    """The one picture of the tour."""
    return (resources(_CARRIER) / "tour" / "tour_1.png").read_bytes()


def _below(folder: Traversable, before: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{before}{entry.name}/")
        else:
            yield before + entry.name, entry.read_bytes()


def _tell(out: Path, address: str, built: dict[str, bytes], content: bytes, as_json: bool) -> None:
    version = read_object(built[MANIFEST])["widget"]["version"]
    if as_json:
        print_json(
            {
                "out": str(out),
                "public_url": address,
                "version": version,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "files": sorted(built),
            }
        )
    else:
        click.echo(f"{out}: version {version} for {address}, {len(built)} files, {len(content):,} bytes.")
        click.echo("Upload it to your integration in Kommo; widget/README.md tells how.")
