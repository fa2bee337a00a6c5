"""Where a browser may go after sign-in."""

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from madar.domain.returning import check_return_to
from madar.errors import InvalidInput

HOME = "https://madar.ai"
HOSTILE = (
    *("//evil.test", "///evil.test", "////evil.test", "//evil.test/%2f..", "//madar.ai@evil.test"),
    *("https://evil.test", "HTTPS://evil.test", "https:evil.test", "https:/evil.test", "http:evil"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd"),
    *("evil.test", "evil.test/x", ".evil.test", "@evil.test", ":80@evil.test", "?x=//evil.test"),
    *("\\\\evil.test", "\\evil.test", "/\\evil.test", "/\\/evil.test", "\\/evil.test", "/a\\b"),
    *("/%5cevil.test", "/%5Cevil.test", "/%255cevil.test", "/?x=%5c", "/%2fevil.test"),
    *("/%2Fevil.test", "/%252fevil.test", "/%25252fevil.test", "/%2525252fevil.test"),
    *("/%2f%2fevil.test", "/.//evil.test", "/..//evil.test", "/a/..//evil.test", "/a//evil.test"),
    *("/%2e%2e//evil.test", "/.%2f/evil.test", "/a/%2f..%2fevil.test", "%2f%2fevil.test"),
    *("/\t/evil.test", "/\n/evil.test", "/\r\nSet-Cookie: x=1", "/%0d%0aSet-Cookie:%20x=1", "/%0a"),
    *("/%09/evil.test", "/%00", "/\0", "/%250d%250a", "/x%0d", "/x\n", "\n/x", " //evil.test"),
    *(" /x", "/x y", "/x ", "\t//evil.test", "/%e2%80%a8x", "/%c2%85", "/\u2028", "/\u202e", "/é"),
    *("\uff0f\uff0fevil.test", "/\uff0f/evil.test", "/\u3002evil", "/معرض", "/" + "a" * 512),
    *("/" + "%25" * 80 + "2f/evil.test", "/%2f" * 5, "/?a\\b", "/#%5c", "/%1fx", "/%7f", "/%C2%9B"),
)
FINE = (
    *("/", "/gallery", "/gallery/", "/a/b/c", "/a.b/~c/-_d", "/gallery?page=2&sort=likes", "/#top"),
    *("/x?next=//evil.test", "/x?next=https://evil.test/", "/x#//evil.test", "/@evil.test", "/:80"),
    *("/%D9%85%D8%B9%D8%B1%D8%B6", "/x?q=a%20b", "/x?q=100%25", "/%zz", "/%", "/..", "/;x"),
    *("/a/../b", "/.evil.test", "/evil.test", "/" + "a" * 511),
)


@pytest.mark.parametrize("path", HOSTILE)
def test_what_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="return_to_invalid"):
        check_return_to(path)


@pytest.mark.parametrize("path", FINE)
def test_paths_of_the_frontend_are_fine(path: str) -> None:
    assert check_return_to(path) == path


@given(some.text(alphabet="/\\.%25cCfF0dDaA:@?#e\t\n ", max_size=12))
def test_what_is_taken_stays_on_the_site_however_it_is_read(path: str) -> None:
    try:
        check_return_to(path)
    except InvalidInput:
        return
    for read in (path, unquote(path), unquote(unquote(path)), urlsplit(path).path):
        for whole in (HOME + read, urljoin(HOME, read), urljoin(f"{HOME}/a/b", read)):
            assert urlsplit(whole).netloc == "madar.ai", (path, whole)
