"""What is put into good requests: values, bodies, headers and methods that parsers stumble over."""

FORM_TYPE = "application/x-www-form-urlencoded"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X", "É")

NUMBERS = (
    *(b"-1", b"0", b"-0", b"+1", b" 1", b"1 ", b"01", b"1_000", b"0x10", b"1e3", b"1e999", b"1.5", b"NaN"),
    *(b"9" * 19, b"9" * 40, b"9" * 5000, b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
    b"-Infinity",
    *("\u0661\u0662".encode(), "\uff11".encode(), "\u00b2".encode(), "\u2160".encode(), b"0000-00-00", b"9999-12-31"),
    *(b"2026-13", b"2026-11-31", b"-9999-01-01T00:00", b"9999-12-31T23:59", b"0001-01-01T00:00+23:59", b"2026-W99-9"),
)  # fmt: skip
BROKEN_UTF8 = (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc3(", b"a\x80b", b"\xf8\x88\x80\x80\x80")
NULS = (b"\0", b"a\0b", b"\0\0\0", b"console.css\0.png")
LINE_BREAKS = (
    *(b"a\r\nX-Injected: yes", b"a\nX-Injected: yes", b"a\rX-Injected: yes", b"a\r\n\r\n<script>alert(1)</script>"),
    *("a\u2028X-Injected: yes".encode(), b"a\x0bX-Injected: yes", "a\u0085X-Injected: yes".encode(), b"\x1b[31m"),
)  # fmt: skip
UNICODE = tuple(
    text.encode()
    for text in (
        *("\u202etxt.exe", "\u0130\u0131\u017f\u212a", "\ufb03\ufdfa", "a" + "\u0301" * 300, "\ufeff"),
        *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u1e9e" * 40, "\uff0f\uff0e\uff0e\uff0f", "\ud7ff\ue000"),
        *("<script>alert(1)</script>", "{{7*7}}{%25}${7*7}", "' OR 1=1 --", "*?[a-z]", "bytegpt:account:*", "%s%n"),
        *("javascript:alert(1)", "//evil.example", "https://evil.example/console/", "\\\\evil.example\\a", "__proto__"),
        "\U000e0041" * 9,
    )
)  # fmt: skip
TRAVERSALS = (
    *(b"../../../../../../etc/passwd", b"..%2f..%2f..%2fetc%2fpasswd", b"....//....//etc/passwd", b"/etc/passwd"),
    *(b"..\\..\\..\\etc\\passwd", b"%2e%2e/%2e%2e/etc/passwd", b"file:///etc/passwd", b"..;/..;/etc/passwd", b".."),
    *(b"../console.css", b"../../wsgi.py", b"../templates/console/login.html", b".", b"", b"/", b"//", b"C:\\x"),
)  # fmt: skip
DEEP = (
    *(b"[" * 20_000, b'{"a":' * 20_000, b'{"profile":' + b"[" * 20_000, b"a" + b"[a]" * 5_000 + b"=1"),
    b'{"profile":' + b'{"profile":' * 3_000 + b"1" + b"}" * 3_001,
)  # fmt: skip
TYPES = (
    *("application/json", "text/plain", "text/xml", "multipart/form-data", "multipart/form-data; boundary=", "", "x"),
    *("multipart/form-data; boundary=x", "application/json; charset=utf-16", f"{FORM_TYPE}; charset=utf-7", ";;=,"),
    *("application/problem+json", "application/octet-stream", FORM_TYPE, "multipart/mixed; boundary=" + "b" * 300),
)  # fmt: skip
BODIES = (
    *(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--", b"null", b"[]", b"{", b'"'),
    *(b"NaN", b'{"a":NaN}', b'{"a":1,"a":2}', b"\xff\xfe{\0}\0"),
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    *(b"", b"=", b"&=&=", b"%", b"--x\r\n" * 2_000),
)  # fmt: skip
HEADERS = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Encoding", "Cookie", "Expect", "Host"),
    *("Forwarded", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Origin", "Range", "Referer", "Via"),
    *("Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL"),
    *("X-HTTP-Method-Override", "X-Request-Id", "X-CSRFToken", "X-Auth-Token", "Sec-Fetch-Dest", "Sec-Fetch-Site"),
    *("X-Console-Refresh", "Content-Length"),
)  # fmt: skip
HEADER_VALUES = (
    *("", ",;,;=", '"', "W/", '"\\', "*/*;q=x", "text/plain;version=abc", "pt;q=NaN", "bytes=-1,2-3,99999999999-"),
    *("bytes=0-", "1e400", "-1", "null", "chunked", "Sun, 99 Nov 9999 99:99:99 GMT", "https://evil.example"),
    *("http://[::1", "evil.example:99999", "for=[::1;by=", "127.0.0.1, , x", "::ffff:1.2.3.4%eth0", "\xff\xfe\x00"),
    *("bytegpt_console=.e30.x; bytegpt_look=../..;", "=;=;;", "session=" + "e" * 5000, "POST", "application/json"),
    "a" * 9000,
)  # fmt: skip
OVERSIZED = (70_000, 300_000, 9_000_000)
