"""Addresses and URLs that an answer of Fal's must not lead us to, kind by kind."""

HOSTS = ("fal.media", "v3.fal.media", "93.184.216.34", ".cdn.fal.media")


def _kinds(text: str) -> dict[str, list[str]]:
    kinds = [part.partition("\n") for part in text.strip().removeprefix("= ").split("\n= ")]
    return {kind: words.split() for kind, _, words in kinds}


FORBIDDEN = _kinds("""
= this machine
127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.254 ::1 0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 ::
= private
10.0.0.1 10.11.12.13 10.255.255.255 172.16.0.1 172.17.0.1 172.20.10.5 172.31.255.255
192.168.0.1 192.168.1.254 192.168.255.255
= metadata
169.254.169.254 169.254.170.2 169.254.169.123 169.254.42.42 fd00:ec2::254 fd00:ec2::23
100.100.100.200 192.0.0.192 168.63.129.16
= link-local
169.254.0.1 169.254.255.255 fe80::1 fe80::1%eth0 fe80::a9fe:a9fe febf::1
= shared
100.64.0.1 100.100.100.100 100.127.255.255
= multicast
224.0.0.1 224.0.0.251 232.1.1.1 233.252.0.1 239.255.255.250 ff02::1 ff02::fb ff05::2 ff0e::1
ff3e::8000:1
= reserved
240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255 192.88.99.1 192.0.0.1 192.0.0.8 192.0.0.9
192.0.0.10 192.0.0.170 192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1 198.19.255.255
2001:db8::1 3fff::1 3fff:fff::1 2001:2::1 2001:10::1 2001:20::1 2001:1::1 100::1 100:0:0:1::1
200::1 5f00::1 4000::1 a000::1 fe00::1
= private, of a provider or a site
fc00::1 fd00::1 fdff:ffff::1 fd7a:115c:a1e0::53 fec0::1 feff::1 fdaa::3 fdaa:0:1::3
fdaa:1:2:a7b::2 fdaa:9:9:9:9:9:9:9
= IPv4 in IPv6
::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:192.168.1.1 ::ffff:169.254.169.254
::ffff:100.64.0.1 ::ffff:0.0.0.0 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
::127.0.0.1 ::10.0.0.1 ::8.8.8.8
= IPv4 behind NAT64
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::172.16.0.1 64:ff9b::192.168.0.1
64:ff9b::a9fe:a9fe 64:ff9b::100.64.0.1 64:ff9b::0.0.0.0 64:ff9b::224.0.0.1
64:ff9b::255.255.255.255 64:ff9b::168.63.129.16 64:ff9b:1::1 64:ff9b:1::8.8.8.8
= IPv4 through 6to4 and Teredo
2002:7f00:1:: 2002:a00:1::1 2002:c0a8:101::1 2002:a9fe:a9fe::1 2002:6440:1::1 2002:808:808::1
2001::1 2001:0:7f00:1::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
2001:0:5ef5:79fb:0:59d:80ff:fffe
= not an address
localhost 127.1 2130706433 0x7f000001 0177.0.0.1 0x7f.1 127.0.0.1:80 [::1] 8.8.8 8.8.8.8.8
1::2::3 fal.media
""")
FORBIDDEN["not an address"] += ["", "8.8.8.8 ", "\u0668.\u0668.\u0668.\u0668"]

# Among them the neighbours of what is closed.
(OPEN,) = _kinds("""
= open
8.8.8.8 1.1.1.1 104.18.0.1 151.101.1.1 34.120.0.1 1.0.0.0 9.255.255.255 11.0.0.1
100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15 168.63.129.17
169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1
198.17.255.255 198.20.0.1 223.255.255.255 2606:4700::1111 2a00:1450:4001:80b::200e
2600:1901::1 2001:4860:4860::8888 2001:200::1 2003::1 2400:cb00::1 64:ff9b::8.8.8.8
""").values()

# By the reason for which production refuses them, when it takes files from HOSTS.
URLS = _kinds("""
= url
http://v3.fal.media/x.png HTTP://v3.fal.media/x.png http://v3.fal.media:443/x
file:///etc/passwd file://v3.fal.media/etc/passwd ftp://v3.fal.media/x.png
gopher://v3.fal.media:70/_GET data:image/png;base64,iVBORw0KGgo= javascript:alert(1)
ws://v3.fal.media/x.png wss://v3.fal.media/x.png dict://v3.fal.media/ blob:x
ldap://v3.fal.media/ jar:https://v3.fal.media/x!/ https+unix://v3.fal.media/x
//v3.fal.media/x.png /files/x.png x.png ?x #x . : ://v3.fal.media/x
https://user@v3.fal.media/x https://user:word@v3.fal.media/x https://:@v3.fal.media/
https://v3.fal.media@evil.test/x https://v3.fal.media:443@evil.test/x
https://evil.test%40@v3.fal.media/x https://evil.test:80@v3.fal.media/x https://[::1/x.png
https://[v1.x]/ https://[fal.media]/x https://1.2.3.256/x https://0177.0.0.1/x
https://v3.fal.media:x/
= port
https://v3.fal.media:80/x https://v3.fal.media:8443/x https://v3.fal.media:22/x
https://v3.fal.media:0/x https://v3.fal.media:444/x https://v3.fal.media:65535/x
https://fal.media:-1/ https://v3.fal.media:65979/x https://v3.fal.media:99999999999/x
https://fal.media:5432/x
= host
https:///x.png https:v3.fal.media/x https:// https:/fal.media/x https://./x https://?x
https://evil.test/x https://evil.test/#.fal.media https://evil.test/?.fal.media
https://evil.test/v3.fal.media https://evil.test#@fal.media https://evil.test?@fal.media
https://fal.media.evil.test/x https://v3.fal.media.evil.test/x https://v3-fal.media/x
https://evilfal.media/x https://xv3.fal.media/x https://fal.medi/x https://fal.mediaa/x
https://media/x https://al.media/x https://fal-media/x https://fal.media%2eevil.test/x
https://xn--fl-7ia.media/x https://xn--80ak6aa92e.com/x https://fal.media,evil.test/x
https://v3.fal.media./x https://fal.media./x https://.fal.media/x https://fal..media/x
https://v3%2efal%2emedia/x https://%66al.media/x https://v3.fal.media%00/x
https://v3.fal.media%0d%0a/x https://fal.media%23/x https://fal.media;x/ https://fal.media*/
https://cdn.fal.media/x https://.cdn.fal.media/x https://xcdn.fal.media/x
https://a..cdn.fal.media/x https://-.cdn.fal.media/x https://a_b.cdn.fal.media/x
https://evil.test%2f.cdn.fal.media/x https://a.cdn.fal.media.evil.test/x
https://a.cdn.fal.media./x https://*.cdn.fal.media/x
https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.cdn.fal.media/
https://127.0.0.1/x https://127.1/x https://2130706433/x https://0x7f000001/x
https://0x7f.0x0.0x0.0x1/x https://017700000001/x https://0/x
https://[::1]/x https://[::]/x https://[::ffff:127.0.0.1]/x https://[fdaa::3]/x
https://[fe80::1]/x https://10.0.0.1/x https://169.254.169.254/latest/meta-data/
https://0xa9fea9fe/x https://2852039166/x https://93.184.216.35/x https://1572395042/x
https://93.184.216.34./x https://0x5d.184.216.34/x https://localhost/x
https://localhost.localdomain/x https://ip6-localhost/x https://_api.internal/x
https://madar.internal/x https://metadata.google.internal/x https://metadata/x
https://instance-data/x https://host.docker.internal/x https://kubernetes.default.svc/x
https://madar.railway.internal/x https://fal.local/x https://127.0.0.1.nip.io/x
https://localtest.me/x https://1u.ms/x https://v3.fal.media.local/x
""")
# Blanks, what is not seen, and letters that look like others.
URLS["url"] += [
    "",
    "https://v3.fal.media\\@evil.test/x",
    "https://evil.test\\.fal.media/x",
    "https:\\\\fal.media",
    "https://v3.fal.media/x\n",
    "https://v3.fal.media/x\r\nHost: evil.test",
    "https://v3.fal.media\t",
    "\thttps://v3.fal.media/x",
    " https://v3.fal.media/x",
    "https://v3.fal.media /x",
    "ht\ttps://fal.media",
    "https://v3.fal.media/\x00",
    "https://v3.fal.media\x00.evil.test/",
    "https://v3.fal.media/\x7f",
    "https://fal.med\u0131a/x",
    "https://f\u0430l.media/x",
    "https://v3.fal.m\u0435dia/x",
    "https://\uff46al.media/x",
    "https://fal\u3002media/x",
    "https://fal\uff0emedia/x",
    "https://fal\uff61media/x",
    "https://fal\u200b.media/x",
    "https://fal\xad.media/x",
    "https://fal.media\u202e/x",
    "https://fal.media\uff0f@evil.test",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/x",
    "https://fal.media/\u0635",
    "https://fal.media/\ud800",
    "https://xn--/\ud800",
    "https://v3.fal.media:4\u06643/",
    "https://fal.media:44 3/",
    "https://v3.fal.media/" + 4096 * "x",
]
