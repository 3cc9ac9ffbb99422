"""Hands turns over to ByteGPT: accepted as the door accepts them, without the HTTP before it (bench/feeding.py).

    python -m bench.acceptances ACCOUNT_ID,ACCOUNT_ID,… CLIENTS

Turns go to the accounts and to their clients by turns; the number of clients is a multiple of that of the accounts.
"""

import sys

from app.domain.return_url import ContinueUrl, account_origin
from app.domain.turn import Timing
from app.domain.webhook import TokenClaims, Webhook, WebhookData
from app.services.intake import Intake
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from bench.feeding import THREADS, serve
from bench.wire import MESSAGE, told
from config.settings import load_settings


def main() -> None:
    """Accept until stdin ends."""
    account_ids, clients = [int(word) for word in sys.argv[1].split(",")], int(sys.argv[2])
    settings = load_settings(dotenv=None, redis_required=True)
    redis = connect(settings.redis_url or "", for_web=False, max_connections=THREADS + 1)
    sealer = Sealer(settings.encryption_keys)
    timing = Timing(settings.turn_deadline, settings.delivery_patience)
    intake = Intake(RedisTurns(redis, sealer, timing), timing)
    directory = RedisAccounts(redis, sealer)
    accounts = [account for account_id in account_ids if (account := directory.get(account_id)) is not None]
    origin = account_origin(settings.kommo_base_url, accounts[0].subdomain)

    def accept(number: int) -> None:
        account, client = accounts[number % len(accounts)], number % clients
        claims = TokenClaims(
            account.account_id, account.client_id or "", origin, account.subdomain, "2", str(client), "salesbot"
        )
        data = WebhookData(
            MESSAGE.format(number=told(number)),
            contact_id=str(client),
            contact_name="Ana",
            lead_id=str(client),
            origin="whatsapp",
            handler="ai_reply",
        )
        intake.accept(account, Webhook(claims, data, ContinueUrl(origin, "salesbot", "1", str(number))))

    serve(accept)


if __name__ == "__main__":
    main()
