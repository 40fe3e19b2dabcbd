/* gzip_test.c - bodies that come compressed, to routes that ask for it and to others. */
#include "support/wire.h"

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define GZIP "Content-Encoding: gzip\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* By gzip -n; the first ten bytes are the header, the last eight the check and the length. */
#define MAGIC "\37\213\10\0\0\0\0\0\2\3"
#define DEFLATED "\313\110\315\311\311\7\0"
#define CHECK "\206\246\020\66\5\0\0\0"
#define HELLO MAGIC DEFLATED CHECK                                      /* 25 bytes: "hello" */
#define WORLD MAGIC "\123\50\317\57\312\111\1\0\313\102\73\112\6\0\0\0" /* 26 bytes: " world" */
#define NOTHING MAGIC "\3\0\0\0\0\0\0\0\0\0"                            /* 20 bytes: "" */
#define XS_100 MAGIC "\253\250\240\75\0\0\217\135\16\136\144\0\0\0"     /* 24 bytes: 100 times "x" */
#define XS_101 MAGIC "\253\250\240\3\0\0\157\206\205\361\145\0\0\0"     /* 24 bytes: 101 times "x" */
/* 45 bytes: 10,000 zeros */
#define ZEROS \
    MAGIC "\355\301\1\15\0\0\0\302\240\367\117\155\016\67\240\0\0\0\0\0\0\0\0\0\340\337\0\56\312\73\115\20\47\0\0"
/* 44 bytes: "hello" behind extra bytes, a name, a comment, and the header's own check */
#define FIELDS "\37\213\10\36\0\0\0\0\0\3\2\0ABname\0comment\0\346\266" DEFLATED CHECK

#define EMPTY_CHUNK "14\r\n" NOTHING "\r\n"
#define INFLATED "\r\n\r\nhello"

static const wire_case_t cases[] = {
    /* ---- What is inflated ---- */
    CASE("a body is inflated", "RFC 9110 §8.4.1.3", POST("/gzip") GZIP LENGTH(25) HELLO, "200", WIRE_OPEN,
         .has = INFLATED, .core = true),
    CASE("a body in chunks is inflated", "RFC 9112 §7.1",
         POST("/gzip") GZIP CHUNKED "a\r\n" MAGIC "\r\n7\r\n" DEFLATED "\r\n8\r\n" CHECK "\r\n0\r\n\r\n", "200",
         WIRE_OPEN, .has = INFLATED, .core = true),
    CASE("a streamed body is inflated", "RFC 9110 §8.4.1.3", POST("/gzip_streamed") GZIP LENGTH(25) HELLO, "200",
         WIRE_OPEN, .has = INFLATED, .core = true),
    CASE("a streamed body is inflated while its handler takes its time", "RFC 9110 §8.4.1.3",
         POST("/gzip_slow") GZIP LENGTH(25) HELLO NEXT, "200 200", WIRE_OPEN, .has = INFLATED),
    CASE("a coding is named without regard to case", "RFC 9110 §8.4.1",
         POST("/gzip") "Content-Encoding: GZip\r\n" LENGTH(25) HELLO, "200", WIRE_OPEN, .has = INFLATED),
    CASE("x-gzip is gzip", "RFC 9110 §8.4.1.3", POST("/gzip") "Content-Encoding: x-gzip\r\n" LENGTH(25) HELLO, "200",
         WIRE_OPEN, .has = INFLATED),
    CASE("empty elements of the list are nothing", "RFC 9110 §5.6.1.2",
         POST("/gzip") "Content-Encoding: , gzip ,\r\n" LENGTH(25) HELLO, "200", WIRE_OPEN, .has = INFLATED),
    CASE("members are one body", "RFC 1952 §2.2", POST("/gzip") GZIP LENGTH(71) HELLO NOTHING WORLD, "200", WIRE_OPEN,
         .has = INFLATED " world", .core = true),
    CASE("a header with every field is read over", "RFC 1952 §2.3", POST("/gzip") GZIP LENGTH(44) FIELDS, "200",
         WIRE_OPEN, .has = INFLATED, .core = true),
    CASE("a member of nothing is an empty body", "RFC 1952 §2.3", POST("/gzip") GZIP LENGTH(20) NOTHING, "200",
         WIRE_OPEN, .has = "Content-Length: 0\r\n"),
    CASE("a body without a byte is an empty body", "RFC 9110 §8.4", POST("/gzip") GZIP CHUNKED "0\r\n\r\n", "200",
         WIRE_OPEN, .has = "Content-Length: 0\r\n"),
    CASE("no body has no coding", "RFC 9110 §8.4", POST("/gzip") "Content-Encoding: br\r\n\r\n", "200", WIRE_OPEN),
    CASE("what follows the body is the next request", "RFC 9112 §6.3", POST("/gzip") GZIP LENGTH(25) HELLO NEXT,
         "200 200", WIRE_OPEN, .core = true),
    CASE("100 Continue comes before what is inflated", "RFC 9110 §10.1.1",
         POST("/gzip") GZIP "Expect: 100-continue\r\n" LENGTH(25) HELLO, "100 200", WIRE_OPEN, .has = INFLATED),

    /* ---- What is not ---- */
    CASE("a route that does not ask gets what was sent", "RFC 9110 §8.4", POST("/echo") GZIP LENGTH(25) HELLO, "200",
         WIRE_OPEN, .has = "\r\n\r\n\37\213\10"),
    CASE("a body without a coding is what was sent", "RFC 9110 §8.4", POST("/gzip") LENGTH(5) "hello", "200", WIRE_OPEN,
         .has = INFLATED),
    CASE("identity is no coding", "RFC 9110 §8.4.1", POST("/gzip") "Content-Encoding: identity\r\n" LENGTH(5) "hello",
         "200", WIRE_OPEN, .has = INFLATED),
    CASE("an empty field is no coding", "RFC 9110 §5.6.1.2", POST("/gzip") "Content-Encoding:\r\n" LENGTH(5) "hello",
         "200", WIRE_OPEN, .has = INFLATED),

    /* ---- Other codings ---- */
    CASE("deflate is refused, and gzip is named", "RFC 9110 §15.5.16",
         POST("/gzip") "Content-Encoding: deflate\r\n" LENGTH(5) "hello", "415", WIRE_OPEN,
         .has = "\r\nAccept-Encoding: gzip\r\n", .core = true),
    CASE("br is refused", "RFC 7694 §3", POST("/gzip") "Content-Encoding: br\r\n" LENGTH(5) "hello", "415", WIRE_OPEN,
         .has = "\r\nAccept-Encoding: gzip\r\n"),
    CASE("a list of codings is refused", "RFC 9110 §8.4",
         POST("/gzip") "Content-Encoding: gzip, gzip\r\n" LENGTH(25) HELLO, "415", WIRE_OPEN,
         .has = "\r\nAccept-Encoding: gzip\r\n"),
    CASE("a list in two fields is refused", "RFC 9110 §5.3", POST("/gzip") GZIP GZIP LENGTH(25) HELLO, "415", WIRE_OPEN,
         .has = "\r\nAccept-Encoding: gzip\r\n"),
    CASE("a coding is refused before the body comes", "RFC 9110 §10.1.1",
         POST("/gzip") "Content-Encoding: br\r\nExpect: 100-continue\r\n" LENGTH(5), "415", WIRE_CLOSED),

    /* ---- What is broken ---- */
    CASE("a check that does not fit is refused", "RFC 1952 §2.3.1",
         POST("/gzip") GZIP LENGTH(25) MAGIC DEFLATED "\207\246\020\66\5\0\0\0", "400", WIRE_OPEN, .core = true),
    CASE("a length that does not fit is refused", "RFC 1952 §2.3.1",
         POST("/gzip") GZIP LENGTH(25) MAGIC DEFLATED "\206\246\020\66\4\0\0\0", "400", WIRE_OPEN),
    CASE("data cut short is refused", "RFC 1951 §3.2.3", POST("/gzip") GZIP LENGTH(15) MAGIC "\313\110\315\311\311",
         "400", WIRE_OPEN, .core = true),
    CASE("a check cut short is refused", "RFC 1952 §2.3.1",
         POST("/gzip") GZIP LENGTH(24) MAGIC DEFLATED "\206\246\020\66\5\0\0", "400", WIRE_OPEN),
    CASE("a header cut short is refused", "RFC 1952 §2.3", POST("/gzip") GZIP LENGTH(1) "\37", "400", WIRE_OPEN),
    CASE("a second member cut short is refused", "RFC 1952 §2.2", POST("/gzip") GZIP LENGTH(35) HELLO MAGIC, "400",
         WIRE_OPEN, .core = true),
    CASE("junk behind the data is refused", "RFC 1952 §2.2", POST("/gzip") GZIP LENGTH(29) HELLO "junk", "400",
         WIRE_OPEN, .core = true),
    CASE("zeros behind the data are junk", "RFC 1952 §2.2", POST("/gzip") GZIP LENGTH(27) HELLO "\0\0", "400",
         WIRE_OPEN),
    CASE("text is no gzip", "RFC 1952 §2.3.1", POST("/gzip") GZIP LENGTH(5) "hello", "400", WIRE_OPEN),
    CASE("zlib's format is no gzip", "RFC 1950 §2.2", POST("/gzip") GZIP LENGTH(13) "\170\234" DEFLATED "\6\54\2\25",
         "400", WIRE_OPEN),
    CASE("deflated data alone is no gzip", "RFC 1951 §3.2.3", POST("/gzip") GZIP LENGTH(7) DEFLATED, "400", WIRE_OPEN),
    CASE("another method than deflate is refused", "RFC 1952 §2.3.1",
         POST("/gzip") GZIP LENGTH(25) "\37\213\7\0\0\0\0\0\2\3" DEFLATED CHECK, "400", WIRE_OPEN),
    CASE("a reserved flag is refused", "RFC 1952 §2.3.1.2",
         POST("/gzip") GZIP LENGTH(25) "\37\213\10\40\0\0\0\0\2\3" DEFLATED CHECK, "400", WIRE_OPEN),
    CASE("a check of the header that does not fit is refused", "RFC 1952 §2.3.1",
         POST("/gzip") GZIP LENGTH(27) "\37\213\10\2\0\0\0\0\2\3\1\1" DEFLATED CHECK, "400", WIRE_OPEN),
    CASE("a block of no kind is refused", "RFC 1951 §3.2.3", POST("/gzip") GZIP LENGTH(11) MAGIC "\7", "400",
         WIRE_OPEN),
    CASE("a distance from before the beginning is refused", "RFC 1951 §3.2.5",
         POST("/gzip") GZIP LENGTH(13) MAGIC "\3\2\0", "400", WIRE_OPEN),
    CASE("a broken body in chunks ends the connection", "RFC 9112 §9.3", POST("/gzip") GZIP CHUNKED "5\r\nhello\r\n",
         "400", WIRE_CLOSED),
    CASE("a body that proves broken after its answer began cuts it", "RFC 9112 §8",
         POST("/gzip_at_once") GZIP LENGTH(29) HELLO "junk" NEXT, "", WIRE_CUT, .has_not = "\r\n0\r\n"),
    CASE("a body that proves cut short after its answer began cuts it", "RFC 9112 §8",
         POST("/gzip_at_once") GZIP LENGTH(24) MAGIC DEFLATED "\206\246\020\66\5\0\0" NEXT, "", WIRE_CUT,
         .has_not = "\r\n0\r\n"),

    /* ---- Limits ---- */
    CASE("a body that inflates to the limit is read", "RFC 9110 §15.5.14", POST("/gzip_small") GZIP LENGTH(24) XS_100,
         "200", WIRE_OPEN),
    CASE("a body that inflates to more is refused", "CVE-2026-49855", POST("/gzip_small") GZIP LENGTH(24) XS_101, "413",
         WIRE_OPEN),
    CASE("a body that inflates to far more is refused", "CVE-2026-49855", POST("/gzip_small") GZIP LENGTH(45) ZEROS,
         "413", WIRE_OPEN),
    CASE("members that inflate to more together are refused", "RFC 1952 §2.2",
         POST("/gzip_small") GZIP LENGTH(49) XS_100 HELLO, "413", WIRE_OPEN),
    CASE("a body that is longer than the limit before it is inflated is refused", "RFC 9110 §15.5.14",
         POST("/gzip_small") GZIP LENGTH(120) NOTHING, "413", WIRE_CLOSED),
    CASE("a body that proves too large after its answer began cuts it", "RFC 9112 §8",
         POST("/gzip_at_once") GZIP LENGTH(24) XS_101 NEXT, "", WIRE_CUT, .has_not = "\r\n0\r\n"),
    CASE("members of nothing count as what was sent", "RFC 1952 §2.2",
         POST("/gzip_small") GZIP CHUNKED EMPTY_CHUNK EMPTY_CHUNK EMPTY_CHUNK EMPTY_CHUNK EMPTY_CHUNK EMPTY_CHUNK,
         "413", WIRE_CLOSED),
};

int main(void) {
    return WIRE_RUN("gzip", cases, NULL);
}
