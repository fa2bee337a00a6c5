"""The settings of a laptop: what `madar dev` gives its processes and other commands read back.

Whatever the user has set wins, group by group: with a real Fal key the simulator is left out,
with a DATABASE_URL the embedded PostgreSQL, with a GOOGLE_CLIENT_ID the local issuer.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass

from madar.domain.answers import text_at
from madar.local.postgres import address
from madar.local.state import State, read_json, write_json
from madar.settings import is_given

DATABASE = "madar"
GOOGLE_CLIENT_ID = "madar-local"
FAL_ACCOUNT_ID = "madar-simulator"  # whom the simulator's webhooks say they are from
FAL_API_KEY = "local:simulator"
SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class GoogleClient:
    """We, as the local issuer knows us."""

    id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Local:
    """Which parts are ours to start, and the settings that go with them, named as variables."""

    database: bool
    simulator: bool
    issuer: bool
    variables: dict[str, str]

    def overrides(self) -> dict[str, str]:
        """The same as load_settings takes them."""
        return {name.lower(): value for name, value in self.variables.items()}


def compose(state: State, *, port: int, simulator_port: int) -> Local:
    secret = secrets_of(state)
    app_url = f"http://localhost:{port}"
    variables = {
        "PORT": str(port),
        "APP_URL": app_url,
        "STORAGE_DIR": str(state.files),
        "METRICS_PORT": "0",  # so that several may run at once
        "LINGER_S": "0",  # nobody else takes over
        "JWT_SECRET": secret["jwt_secret"],
        "FAL_WEBHOOK_SECRET": secret["fal_webhook_secret"],
    }
    if database := not is_given("database_url"):
        variables["DATABASE_URL"] = address(state.postgres, DATABASE)
    if simulator := not is_given("fal_api_key"):
        variables |= _fal(simulator_port)
    if issuer := not is_given("google_client_id"):
        variables |= _google(google_client(state, app_url), simulator_port)
    ours = {name: value for name, value in variables.items() if _is_ours(name)}
    return Local(database=database, simulator=simulator, issuer=issuer, variables=ours)


def google_client(state: State, app_url: str) -> GoogleClient:
    return GoogleClient(
        id=GOOGLE_CLIENT_ID,
        secret=secrets_of(state)["google_client_secret"],
        redirect_uri=f"{app_url}/api/auth/google/callback",
    )


def keep_secrets(state: State) -> None:
    """Write them down once, so that sessions and links survive a restart."""
    state.make()
    write_json(state.secrets, secrets_of(state))


def secrets_of(state: State) -> dict[str, str]:
    """Those of this folder; for each that is missing a new one, which is forgotten again."""
    kept: object = None
    with suppress(FileNotFoundError, ValueError):
        kept = read_json(state.secrets)
    names = ("jwt_secret", "fal_webhook_secret", "google_client_secret")
    return {name: text_at(kept, name) or secrets.token_urlsafe(SECRET_BYTES) for name in names}


def _is_ours(variable: str) -> bool:
    """The port was chosen with what the user set in mind, so it is always ours to tell."""
    return variable == "PORT" or not is_given(variable.lower())


def _fal(simulator_port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{simulator_port}"
    return {
        "FAL_API_KEY": FAL_API_KEY,
        "FAL_ACCOUNT_ID": FAL_ACCOUNT_ID,
        "FAL_QUEUE_URL": url,
        "FAL_API_URL": url,
        "FAL_JWKS_URL": f"{url}/.well-known/jwks.json",
        "FAL_MEDIA_HOSTS": "127.0.0.1,localhost",
        "POLL_MIN_S": "1",
        # The simulator lists a submission at once, so one that is not there never arrived.
        "SUBMIT_UNKNOWN_AFTER_S": "20",
    }


def _google(client: GoogleClient, simulator_port: int) -> dict[str, str]:
    return {
        "GOOGLE_ISSUER": f"http://localhost:{simulator_port}/google",
        "GOOGLE_CLIENT_ID": client.id,
        "GOOGLE_CLIENT_SECRET": client.secret,
        "GOOGLE_REDIRECT_URI": client.redirect_uri,
    }
