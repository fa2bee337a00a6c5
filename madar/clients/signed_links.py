"""Links to one object of a private bucket that carry their own permission and end by themselves.

obstore signs links too, but none that say under which name and type the object is to be served.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

SAS_VERSION = "2023-11-03"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a link allows, and what the answer's headers are to say; times in Unix seconds."""

    method: str
    key: str
    starts_at: int
    life_s: int
    content_type: str
    content_disposition: str
    cache_control: str


@dataclass(frozen=True, kw_only=True)
class S3Signer:
    """AWS Signature Version 4 in the query. No `bucket`: the endpoint's host has its name.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """

    endpoint: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: str

    def link(self, grant: Grant) -> str:
        time = datetime.fromtimestamp(grant.starts_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{time[:8]}/{self.region}/s3/aws4_request"
        places = (urlsplit(self.endpoint).path.strip("/"), self.bucket, grant.key)
        path = quote("/" + "/".join(filter(None, places)))
        query = _encoded(
            {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": f"{self.access_key_id}/{scope}",
                "X-Amz-Date": time,
                "X-Amz-Expires": str(grant.life_s),
                "X-Amz-SignedHeaders": "host",
                "response-cache-control": grant.cache_control,
                "response-content-disposition": grant.content_disposition,
                "response-content-type": grant.content_type,
            }
        )
        host = urlsplit(self.endpoint).netloc
        request = f"{grant.method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = self._sign(f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}", time[:8])
        origin = f"{urlsplit(self.endpoint).scheme}://{host}"
        return f"{origin}{path}?{query}&X-Amz-Signature={signature}"

    def _sign(self, text: str, day: str) -> str:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


@dataclass(frozen=True, kw_only=True)
class AzureSigner:
    """A service SAS for one blob, signed with the account's key.

    https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    """

    endpoint: str
    account: str
    account_key: str
    container: str

    def link(self, grant: Grant) -> str:
        """A SAS allows reading; GET and HEAD are both that."""
        ends = datetime.fromtimestamp(grant.starts_at + grant.life_s, UTC)
        asked = {
            "sp": "r",
            "st": datetime.fromtimestamp(grant.starts_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "se": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sv": SAS_VERSION,
            "sr": "b",
            "rscc": grant.cache_control,
            "rscd": grant.content_disposition,
            "rsct": grant.content_type,
        }
        place = f"/blob/{self.account}/{self.container}/{grant.key}"
        fields = ("sp", "st", "se", place, "id", "ip", "spr", "sv", "sr", "snapshot", "ses")
        fields += ("rscc", "rscd", "rsce", "rscl", "rsct")
        text = "\n".join(place if field == place else asked.get(field, "") for field in fields)
        key = base64.b64decode(self.account_key)
        signature = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
        path = quote(f"/{self.container}/{grant.key}")
        return f"{self.endpoint}{path}?{urlencode({**asked, 'sig': signature}, quote_via=quote)}"


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )
