"""The README's table of settings, printed from their definitions: `python -m config.reference`."""

import sys

from config.settings import definitions


def settings_table() -> str:
    """The table as Markdown, one row per setting, with a newline at its end."""
    rows = ["| name | meaning | default |", "|---|---|---|"]
    for _, setting in definitions():
        default = setting.default_shown or (f"`{setting.default}`" if setting.default else "none")
        rows.append(f"| `{setting.name}` | {setting.meaning} | {default} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
