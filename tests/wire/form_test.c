/* form_test.c - forms with files, read while they arrive and buffered, and bodies that go to files. */
#include "support/wire.h"

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define TYPE "Content-Type: multipart/form-data; boundary=b\r\n"
#define FORM(path, n) POST(path) TYPE LENGTH(n)

/* 43 bytes and what is given */
#define PART(disposition, data) "--b\r\nContent-Disposition: form-data; " disposition "\r\n\r\n" data "\r\n"
#define END "--b--\r\n" /* 7 bytes */

static const wire_case_t cases[] = {
    /* ---- Forms ---- */
    CASE("a field is an argument", "RFC 7578 §4", FORM("/form", 57) PART("name=a", "1") END, "200", WIRE_OPEN,
         .has = "a=1", .core = true),
    CASE("a file goes to a file", "RFC 7578 §4.2", FORM("/form", 72) PART("name=f; filename=x", "text") END, "200",
         WIRE_OPEN, .has = "a=-, f x 4 in a file", .core = true),
    CASE("a file without a byte is one", "RFC 7578 §4.2", FORM("/form", 68) PART("name=f; filename=x", "") END, "200",
         WIRE_OPEN, .has = "f x 0 in a file"),
    CASE("a form in chunks is read", "RFC 9112 §7.1",
         POST("/form") TYPE CHUNKED "32\r\n" PART("name=a", "1") "\r\n7\r\n" END "\r\n0\r\n\r\n", "200", WIRE_OPEN,
         .has = "a=1", .core = true),
    CASE("what follows a form is the next request", "RFC 9112 §6.3",
         FORM("/form", 72) PART("name=f; filename=x", "text") END NEXT, "200 200", WIRE_OPEN, .core = true),
    CASE("a large file goes to a file", "RFC 7578 §4.2", FORM("/form", 300068) PART("name=f; filename=x", "$") END,
         "200", WIRE_OPEN, .has = "f x 300000 in a file", .fill = { "x", 300000 }),
    CASE("text before and after the parts is nothing", "RFC 2046 §5.1.1",
         FORM("/form", 70) "before\r\n" PART("name=a", "1") END "after", "200", WIRE_OPEN, .has = "a=1"),
    CASE("100 Continue comes before a form", "RFC 9110 §10.1.1",
         POST("/form") TYPE "Expect: 100-continue\r\n" LENGTH(57) PART("name=a", "1") END, "100 200", WIRE_OPEN,
         .has = "a=1"),
    CASE("an urlencoded form is read as ever", "RFC 9110 §8.3",
         POST("/form") "Content-Type: application/x-www-form-urlencoded\r\n" LENGTH(3) "a=1", "200", WIRE_OPEN,
         .has = "a=1", .core = true),
    CASE("a body of no form has no fields", "RFC 9110 §8.3",
         POST("/form") "Content-Type: text/plain\r\n" LENGTH(3) "a=1", "200", WIRE_OPEN, .has = "a=-"),
    CASE("a body of no type has no fields", "RFC 9110 §8.3", POST("/form_buffered") LENGTH(3) "a=1", "200", WIRE_OPEN,
         .has = "a=-", .core = true),
    CASE("a body of no type, read as a form, has no fields", "RFC 9110 §8.3", POST("/form") LENGTH(3) "a=1", "200",
         WIRE_OPEN, .has = "a=-", .core = true),
    CASE("a body of no type is no JSON", "RFC 9110 §8.3", POST("/json") LENGTH(1) "1", "415", WIRE_OPEN, .core = true),
    CASE("two types of a form are refused", "RFC 9110 §5.3",
         POST("/form") "Content-Type: application/x-www-form-urlencoded\r\n" TYPE LENGTH(57) PART("name=a", "1") END,
         "400", WIRE_OPEN, .has_not = "a=1", .core = true),
    CASE("two types of a buffered form are refused", "RFC 9110 §5.3",
         POST("/form_buffered") TYPE "Content-Type: text/plain\r\n" LENGTH(57) PART("name=a", "1") END, "400",
         WIRE_OPEN, .has_not = "a=1", .core = true),
    CASE("two types that are equal are two", "RFC 9110 §5.3",
         POST("/form_buffered") TYPE TYPE LENGTH(57) PART("name=a", "1") END, "400", WIRE_OPEN),
    CASE("two types in one field are none of a form", "RFC 9110 §8.3",
         POST("/form_buffered") "Content-Type: application/x-www-form-urlencoded, text/plain\r\n" LENGTH(3) "a=1",
         "200", WIRE_OPEN, .has = "a=-"),
    CASE("two types in one field are no boundary", "RFC 9110 §8.3",
         POST("/form_buffered") "Content-Type: multipart/form-data; boundary=b, text/plain\r\n" LENGTH(57)
             PART("name=a", "1") END,
         "400", WIRE_OPEN, .has_not = "a=1"),
    CASE("two types of JSON are refused", "RFC 9110 §5.3",
         POST("/json") "Content-Type: application/json\r\nContent-Type: text/plain\r\n" LENGTH(1) "1", "400", WIRE_OPEN,
         .core = true),
    CASE("two types of what nobody reads do not matter", "RFC 9110 §5.3",
         POST("/echo") TYPE "Content-Type: text/plain\r\n" LENGTH(3) "abc", "200", WIRE_OPEN, .has = "abc"),
    CASE("no body is no form", "RFC 9112 §6.3", FORM("/form", 0), "200", WIRE_OPEN, .has = "a=-"),

    /* ---- Names ---- */
    CASE("of a way to a file its name is left", "RFC 7578 §4.2",
         FORM("/form", 78) PART("name=f; filename=\"../../x\"", "text") "--b--", "200", WIRE_OPEN, .has = ", f x 4 in"),
    CASE("of a way on another system its name is left", "RFC 7578 §4.2",
         FORM("/form", 76) PART("name=f; filename=\"C:\\\\x\"", "text") "--b--", "200", WIRE_OPEN, .has = ", f x 4 in"),
    CASE("a name that is up is none", "RFC 7578 §4.2", FORM("/form", 75) PART("name=f; filename=\"..\"", "text") END,
         "200", WIRE_OPEN, .has = ", f _ 4 in"),
    CASE("a NUL in a name is refused", "RFC 7578 §4.2", FORM("/form", 76) PART("name=f; filename=\"x\0y\"", "text") END,
         "400", WIRE_OPEN),

    /* ---- What is no form ---- */
    CASE("a form that is cut short is refused", "RFC 2046 §5.1.1", FORM("/form", 50) PART("name=a", "1"), "400",
         WIRE_OPEN, .core = true),
    CASE("a file that is cut short is refused", "RFC 2046 §5.1.1", FORM("/form", 65) PART("name=f; filename=x", "text"),
         "400", WIRE_OPEN),
    CASE("a form without a boundary is refused", "RFC 2046 §5.1.1",
         POST("/form") "Content-Type: multipart/form-data\r\n" LENGTH(57) PART("name=a", "1") END, "400", WIRE_OPEN),
    CASE("a part without a name is refused", "RFC 7578 §4.2", FORM("/form", 61) PART("filename=x", "1") END, "400",
         WIRE_OPEN),
    CASE("a line that ends with LF alone is refused", "RFC 2046 §4.1.1", FORM("/form", 9) "--b\na: b\n", "400",
         WIRE_OPEN, .core = true),
    CASE("text that is no form is refused", "RFC 2046 §5.1.1", FORM("/form", 4) "text", "400", WIRE_OPEN),
    CASE("a form that is never asked for is not refused while it is buffered", "RFC 7578 §4",
         POST("/echo") TYPE LENGTH(4) "text", "200", WIRE_OPEN, .has = "\r\n\r\ntext"),

    /* ---- Limits ---- */
    CASE("a form of the limit is read", "RFC 9110 §15.5.14", FORM("/form_small", 57) PART("name=a", "1") END, "200",
         WIRE_OPEN, .core = true),
    CASE("a form beyond the limit is refused", "RFC 9110 §15.5.14", FORM("/form_small", 58) PART("name=a", "12") END,
         "413", WIRE_CLOSED),
    CASE("a form in chunks beyond the limit is refused", "RFC 9110 §15.5.14",
         POST("/form_small") TYPE CHUNKED "32\r\n" PART("name=a", "1") "\r\n8\r\n" END "x\r\n0\r\n\r\n", "413",
         WIRE_CLOSED),
    CASE("a header of a part beyond the limit is refused", "CVE-2014-0050", FORM("/form", 9056) PART("name=$", "1") END,
         "400", WIRE_OPEN, .fill = { "x", 9000 }),
    CASE("more parts than the limit are refused", "CVE-2023-24998", FORM("/form", 5057) "$" END, "400", WIRE_OPEN,
         .fill = { PART("name=d", "1"), 101 }),

    /* ---- Where parts go ---- */
    CASE("parts go where the handler sends them", "RFC 7578 §4",
         FORM("/parts", 223) PART("name=c", "one") PART("name=m; filename=y", "two") PART("name=d", "x")
             PART("name=a", "1") END,
         "200", WIRE_OPEN, .has = "\r\n\r\nonea=1, m y 3 in memory"),
    CASE("a part that is refused ends the form", "RFC 9110 §15.5.4",
         FORM("/parts", 107) PART("name=r", "1") PART("name=a", "1") END, "403", WIRE_OPEN),
    CASE("a part of its limit is read", "RFC 9110 §15.5.14", FORM("/parts", 59) PART("name=s", "123") END, "200",
         WIRE_OPEN),
    CASE("a part beyond its limit is refused", "RFC 9110 §15.5.14", FORM("/parts", 60) PART("name=s", "1234") END,
         "413", WIRE_OPEN, .core = true),

    /* ---- Forms in memory ---- */
    CASE("a buffered form has its files in memory", "RFC 7578 §4.2",
         FORM("/form_buffered", 72) PART("name=f; filename=x", "text") END, "200", WIRE_OPEN,
         .has = "a=-, f x 4 in memory", .core = true),
    CASE("a buffered form that is cut short is refused", "RFC 2046 §5.1.1",
         FORM("/form_buffered", 50) PART("name=a", "1"), "400", WIRE_OPEN),

    /* ---- Bodies in files ---- */
    CASE("a body of 64 KiB is in memory", "RFC 9110 §6.4", POST("/spooled") LENGTH(65536) "$", "200", WIRE_OPEN,
         .has = "65536 in memory", .fill = { "x", 65536 }),
    CASE("a body beyond 64 KiB is in a file", "RFC 9110 §6.4", POST("/spooled") LENGTH(65537) "$" NEXT, "200 200",
         WIRE_OPEN, .has = "65537 in a file", .fill = { "x", 65537 }),
    CASE("a body in chunks goes to a file once it is large", "RFC 9112 §7.1",
         POST("/spooled") CHUNKED "11170\r\n$\r\n0\r\n\r\n", "200", WIRE_OPEN, .has = "70000 in a file",
         .fill = { "x", 70000 }),
    CASE("no body is in memory", "RFC 9112 §6.3", POST("/spooled") LENGTH(0), "200", WIRE_OPEN, .has = "0 in memory"),
};

int main(void) {
    return WIRE_RUN("form", cases, NULL);
}
