/*
 * route_regex.c - routes that are regular expressions, by PCRE2. (Tornado: routing.PathMatches)
 *
 * An expression is compiled once, anchored at both ends, and matched through a scratch: match data, limits and a stack
 * for PCRE2's machine code, which would otherwise use 32 KiB of whatever stack the caller runs on. A thread takes a
 * scratch by exchanging it out of a slot, and puts it back behind the match, so nobody waits and nothing belongs to a
 * thread that may end. The scope is born with one, so a match can be without memory for its own, but never for good.
 *
 * The text that every match must begin with is read off the expression, so that most expressions are ruled out by a
 * memcmp. The same reading finds the texts between the groups, out of which URLs are made. It understands only plain
 * expressions and gives up early: a prefix too short costs time, one too long would cost matches.
 */
#include "web/route_regex_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/route_pattern_internal.h"

enum {
    MATCH_LIMIT = 100000, /* steps; about a millisecond. A path has 8 KiB: ten times that in honest backtracking */
    HEAP_LIMIT = 1024,    /* KiB, where there is no JIT */
    JIT_STACK_FIRST = 32 << 10, /* bytes */
    JIT_STACK_MOST = 512 << 10,
    SCRATCH_SLOTS = 64
};

typedef struct {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL: no JIT on this machine, or no memory for it */
} scratch_t;

struct tc__regex_scope {
    pcre2_general_context *general;
    pcre2_compile_context *compile;
    _Atomic(scratch_t *) idle[SCRATCH_SLOTS];
};

struct tc__regex {
    tc__regex_scope_t *scope;
    pcre2_code *code;
    char *text;                        /* for the log */
    char *literal;                     /* the texts outside the groups, without escapes, one behind the other */
    size_t cuts[TC__MAX_CAPTURES + 1]; /* literal[cuts[i - 1], cuts[i]) stands before group i; the last, behind all */
    size_t prefix;                     /* literal[0, prefix) begins every match */
    bool reversible, is_literal;
    atomic_bool gave_up; /* it was logged */
};

/* ---- Scratches ------------------------------------------------------------------------------------------------ */

static void *allocate(size_t size, void *unused) {
    (void)unused;
    return tc__malloc(size);
}

static void release(void *data, void *unused) {
    (void)unused;
    tc__free(data);
}

static void scratch_free(scratch_t *scratch) {
    if (!scratch)
        return;
    pcre2_jit_stack_free(scratch->stack);
    pcre2_match_context_free(scratch->context);
    pcre2_match_data_free(scratch->data);
    tc__free(scratch);
}

static scratch_t *scratch_new(pcre2_general_context *general) {
    scratch_t *scratch = tc__calloc(1, sizeof(*scratch));
    if (!scratch)
        return NULL;
    scratch->data = pcre2_match_data_create(TC__MAX_CAPTURES + 1, general);
    scratch->context = pcre2_match_context_create(general);
    if (!scratch->data || !scratch->context) {
        scratch_free(scratch);
        return NULL;
    }
    pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
    pcre2_set_heap_limit(scratch->context, HEAP_LIMIT);
    scratch->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, general);
    if (scratch->stack)
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return scratch;
}

/* Threads start at slots of their own, so that they seldom meet. */
static unsigned first_slot(void) {
    static _Atomic unsigned threads;
    static _Thread_local unsigned number;
    if (number == 0)
        number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return number;
}

static scratch_t *take_idle(tc__regex_scope_t *scope) {
    const unsigned first = first_slot();
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++) {
        _Atomic(scratch_t *) *slot = &scope->idle[(first + i) % SCRATCH_SLOTS];
        scratch_t *scratch = atomic_load_explicit(slot, memory_order_relaxed);
        if (scratch && (scratch = atomic_exchange(slot, NULL)))
            return scratch;
    }
    return NULL;
}

static scratch_t *take_scratch(tc__regex_scope_t *scope) {
    for (;;) {
        scratch_t *scratch = take_idle(scope);
        if (!scratch)
            scratch = scratch_new(scope->general);
        if (scratch)
            return scratch;
        sched_yield(); /* no memory; other threads hold what there is, each for one match */
    }
}

static void put_scratch(tc__regex_scope_t *scope, scratch_t *scratch) {
    const unsigned first = first_slot();
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++) {
        scratch_t *none = NULL;
        if (atomic_compare_exchange_strong(&scope->idle[(first + i) % SCRATCH_SLOTS], &none, scratch))
            return;
    }
    scratch_free(scratch);
}

int tc__regex_scope_new(tc__regex_scope_t **out) {
    tc__regex_scope_t *scope = tc__calloc(1, sizeof(*scope));
    if (!scope)
        return TC_ENOMEM;
    scratch_t *scratch = NULL;
    scope->general = pcre2_general_context_create(allocate, release, NULL);
    if (scope->general) {
        scope->compile = pcre2_compile_context_create(scope->general);
        scratch = scratch_new(scope->general);
    }
    if (scratch)
        put_scratch(scope, scratch);
    if (!scope->compile || !scratch) {
        tc__regex_scope_free(scope);
        return TC_ENOMEM;
    }
    *out = scope;
    return 0;
}

void tc__regex_scope_free(tc__regex_scope_t *scope) {
    if (!scope)
        return;
    for (size_t i = 0; i < SCRATCH_SLOTS; i++)
        scratch_free(atomic_load(&scope->idle[i]));
    pcre2_compile_context_free(scope->compile);
    pcre2_general_context_free(scope->general);
    tc__free(scope);
}

/* ---- Reading the literal parts off an expression --------------------------------------------------------------- */

static bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Does a backslash that stands there change what the next byte but one means: \Q and \c? Or does nothing follow it? */
static bool is_odd_escape(const char *p) {
    return *p == '\\' && (p[1] == 'Q' || p[1] == 'c' || p[1] == '\0');
}

/* Behind the "]" of the class that starts at `p`; NULL: there is none. A "]" in the first place is one of the class. */
static const char *skip_class(const char *p) {
    p += p[1] == '^' ? 2 : 1;
    if (*p == ']')
        p++;
    for (; *p && *p != ']'; p++) {
        if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '='))
            return NULL; /* [[:alpha:]]: rare enough */
        if (is_odd_escape(p))
            return NULL;
        p += *p == '\\';
    }
    return *p ? p + 1 : NULL;
}

/* Does a "(" that stands there open a group that leaves the syntax behind it as it is? (?x) and comments do not. */
static bool is_plain_group(const char *p) {
    if (p[1] == '*')
        return false;
    return p[1] != '?' || strchr(":=!<>|'", p[2]) || (p[2] == 'P' && p[3] == '<');
}

/* Behind the ")" of the group that starts at `p`; NULL: not understood. */
static const char *skip_group(const char *p) {
    for (size_t depth = 0; *p;) {
        if (is_odd_escape(p) || (*p == '(' && !is_plain_group(p)))
            return NULL;
        if (*p == '[') {
            p = skip_class(p);
            if (!p)
                return NULL;
            continue;
        }
        depth += *p == '(';
        depth -= *p == ')';
        p += *p == '\\' ? 2 : 1;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* Whether the group that starts at `p` captures. */
static bool is_capture(const char *p) {
    if (p[1] != '?')
        return true;
    const char *open = p[2] == 'P' ? p + 3 : p + 2;
    return *open == '\'' || (*open == '<' && open[1] != '=' && open[1] != '!');
}

static bool is_quantifier(char c) {
    return c != '\0' && strchr("?*+{", c);
}

/* Fill literal, cuts and *len as far as the expression is plain; returns where it ceases to be. */
static const char *read_plain(tc__regex_t *regex, size_t *len, size_t *groups) {
    const char *p = regex->text + (regex->text[0] == '^');
    while (*p && !(p[0] == '$' && p[1] == '\0')) {
        if (*p == '(') {
            const char *behind = skip_group(p);
            if (!behind || !is_capture(p) || is_quantifier(*behind) || *groups == TC__MAX_CAPTURES)
                return p;
            regex->cuts[(*groups)++] = *len;
            p = behind;
            continue;
        }
        const bool escaped = *p == '\\';
        if (escaped ? p[1] == '\0' || is_alphanumeric(p[1]) : strchr("^$.[|)?*+{", *p) != NULL)
            return p;
        if (is_quantifier(p[escaped + 1]))
            return p; /* what is quantified may be absent */
        regex->literal[(*len)++] = p[escaped];
        p += escaped + 1;
    }
    return p + strlen(p);
}

/* The prefix, and whether the regex can be reversed. A "|" behind what was read might make all of it optional. */
static void read_literals(tc__regex_t *regex, size_t count) {
    size_t len = 0, groups = 0;
    const char *rest = read_plain(regex, &len, &groups);
    regex->cuts[groups] = len;
    regex->reversible = *rest == '\0' && groups == count;
    regex->is_literal = regex->reversible && count == 0;
    regex->prefix = strchr(rest, '|') ? 0 : regex->cuts[0];
}

/* ---- Compiling ------------------------------------------------------------------------------------------------- */

static int refuse(const char *text, int code, size_t offset) {
    char message[128];
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return TC_ENOMEM;
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
    return tc__fail(TC_EPATTERN, "\"%s\", column %zu: %s", text, offset + 1, message);
}

static int compile(tc__regex_t *regex) {
    int code;
    size_t offset;
    regex->code = pcre2_compile((PCRE2_SPTR)regex->text, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                                &code, &offset, regex->scope->compile);
    if (!regex->code)
        return refuse(regex->text, code, offset);
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where it fails the interpreter does the work */
    return 0;
}

static uint32_t ask(const tc__regex_t *regex, uint32_t what) {
    uint32_t answer = 0;
    pcre2_pattern_info(regex->code, what, &answer);
    return answer;
}

static int name_by_numbers(tc__param_t *params, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char digits[2] = { (char)('0' + (i + 1) / 10), (char)('0' + (i + 1) % 10) };
        const bool small = i + 1 < 10;
        params[i].name = tc__strndup(digits + small, small ? 1 : 2);
        if (!params[i].name)
            return TC_ENOMEM;
    }
    return 0;
}

/* PCRE2's table: entries of `size` bytes, each the number of a group (big-endian) and a name with a NUL; sorted by
 * name. */
static int name_by_names(const tc__regex_t *regex, tc__param_t *params, size_t count) {
    const uint32_t size = ask(regex, PCRE2_INFO_NAMEENTRYSIZE);
    PCRE2_SPTR entry = NULL;
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &entry);
    for (size_t i = 0; i < count; i++, entry += size) {
        const size_t number = (size_t)entry[0] << 8 | entry[1];
        const char *name = (const char *)entry + 2;
        if (params[number - 1].name || (i > 0 && strcmp(name, (const char *)entry - size + 2) == 0))
            return tc__fail(TC_EPATTERN, "\"%s\": two groups share a name or a number", regex->text);
        params[number - 1].name = tc__strndup(name, strlen(name));
        if (!params[number - 1].name)
            return TC_ENOMEM;
    }
    return 0;
}

static int name_groups(const tc__regex_t *regex, tc__param_t *params, size_t count) {
    for (size_t i = 0; i < count; i++)
        params[i].type = TC__PARAM_GROUP;
    const size_t names = ask(regex, PCRE2_INFO_NAMECOUNT);
    if (names == 0)
        return name_by_numbers(params, count);
    if (names == count)
        return name_by_names(regex, params, count);
    return tc__fail(TC_EPATTERN, "\"%s\": name all groups or none; (?:...) groups without a capture", regex->text);
}

static int make_params(tc__regex_t *regex, tc__param_t **params, size_t *count) {
    const size_t groups = ask(regex, PCRE2_INFO_CAPTURECOUNT);
    if (groups > TC__MAX_CAPTURES)
        return tc__fail(TC_EPATTERN, "\"%s\": too many groups (at most 16); (?:...) does not count", regex->text);
    tc__param_t *made = tc__calloc(groups + 1, sizeof(*made)); /* never of size 0 */
    int err = made ? name_groups(regex, made, groups) : TC_ENOMEM;
    if (err < 0) {
        tc__params_free(made, groups);
        return err;
    }
    read_literals(regex, groups);
    *params = made;
    *count = groups;
    return 0;
}

int tc__regex_new(tc__regex_t **out, tc__regex_scope_t *scope, const char *text, tc__param_t **params, size_t *count) {
    int err = TC_ENOMEM;
    const size_t len = strlen(text);
    tc__regex_t *regex = tc__calloc(1, sizeof(*regex));
    if (!regex)
        return TC_ENOMEM;
    regex->scope = scope;
    regex->text = tc__strndup(text, len);
    regex->literal = tc__malloc(len + 1);
    if (!regex->text || !regex->literal)
        goto fail;
    err = compile(regex);
    if (err < 0)
        goto fail;
    err = make_params(regex, params, count);
    if (err < 0)
        goto fail;
    *out = regex;
    return 0;
fail:
    tc__regex_free(regex);
    return err;
}

void tc__regex_free(tc__regex_t *regex) {
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    tc__free(regex->text);
    tc__free(regex->literal);
    tc__free(regex);
}

/* ---- Matching -------------------------------------------------------------------------------------------------- */

/* Not matched for want of steps or memory: the path is a peer's, so once is enough. */
static void log_giving_up(tc__regex_t *regex, int code) {
    char message[128];
    if (atomic_exchange(&regex->gave_up, true))
        return;
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
    tc__log(TC__LOG_GENERAL, TC_LOG_WARNING, NULL,
            "route \"%s\": gave up on a path (%s), which counts as no match; simplify the expression (said once)",
            regex->text, message);
}

static void copy_captures(const scratch_t *scratch, size_t groups, tc_bytes_t path, tc_bytes_t *captures) {
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(scratch->data);
    for (size_t i = 1; i < groups; i++) {
        const size_t from = offsets[2 * i], to = offsets[2 * i + 1];
        captures[i - 1] = from == PCRE2_UNSET ? tc_bytes(NULL, 0) : tc_bytes(path.data + from, to - from);
    }
}

static bool run(tc__regex_t *regex, tc_bytes_t path, tc_bytes_t *captures) {
    scratch_t *scratch = take_scratch(regex->scope);
    int code = pcre2_match(regex->code, (PCRE2_SPTR)path.data, path.len, 0, scratch->stack ? 0 : PCRE2_NO_JIT,
                           scratch->data, scratch->context);
    if (code > 0)
        copy_captures(scratch, (size_t)code, path, captures);
    put_scratch(regex->scope, scratch);

    const bool bad_utf8 = code <= PCRE2_ERROR_UTF8_ERR1 &&
                          code >= PCRE2_ERROR_UTF8_ERR21; /* of an expression in (*UTF) */
    if (code < 0 && code != PCRE2_ERROR_NOMATCH && !bad_utf8)
        log_giving_up(regex, code);
    return code > 0;
}

bool tc__regex_match(tc__regex_t *regex, tc_bytes_t path, tc_bytes_t *captures) {
    if (path.len == 0)
        path.data = ""; /* a NULL would be one for the captures, too */
    if (path.len < regex->prefix || memcmp(path.data, regex->literal, regex->prefix) != 0)
        return false;
    for (size_t i = 0; i < TC__MAX_CAPTURES; i++)
        captures[i] = tc_bytes(NULL, 0); /* groups behind the last one that took part are not told */
    return run(regex, path, captures);
}

/* ---- What it takes --------------------------------------------------------------------------------------------- */

int tc__regex_paths(const tc__regex_t *regex, char **out) {
    static const char tail[] = "{_:*}";
    size_t len = regex->prefix;
    *out = NULL;
    while (!regex->is_literal && len > 0 && regex->literal[len - 1] != '/')
        len--;
    if (len == 0 || regex->literal[0] != '/' || memchr(regex->literal, '{', len))
        return 0;
    char *pattern = tc__malloc(len + sizeof(tail));
    if (!pattern)
        return tc__fail(TC_ENOMEM, "\"%s\": out of memory", regex->text);
    memcpy(pattern, regex->literal, len);
    memcpy(pattern + len, regex->is_literal ? "" : tail, regex->is_literal ? 1 : sizeof(tail));
    *out = pattern;
    return 0;
}

/* ---- Reversing ------------------------------------------------------------------------------------------------- */

/* Write it, and see whether the expression takes it with the same values in the same groups. */
static bool leads_back(tc__regex_t *regex, const char *const *values, size_t count, bool keep_slash, char *out,
                       int *len) {
    tc_bytes_t written[TC__MAX_CAPTURES], captures[TC__MAX_CAPTURES];
    char *end = out;
    size_t done = 0;
    for (size_t i = 0; i <= count; i++) {
        end = tc__url_put(end, tc_bytes(regex->literal + done, regex->cuts[i] - done));
        done = regex->cuts[i];
        char *value = end;
        if (i == count)
            break;
        end = tc__url_put_encoded(end, tc_str(values[i]), keep_slash);
        written[i] = tc_bytes(value, (size_t)(end - value));
    }
    *end = '\0';
    *len = (int)(end - out);
    if (out[0] == '/' && out[1] == '/') /* it would lead to another host */
        return false;
    bool same = tc__regex_match(regex, tc_bytes(out, (size_t)*len), captures);
    for (size_t i = 0; same && i < count; i++)
        same = captures[i].data == written[i].data && captures[i].len == written[i].len;
    return same;
}

int tc__regex_reverse(tc__regex_t *regex, const char *const *values, size_t count, char *out) {
    int len;
    if (!regex->reversible)
        return tc__fail(TC_EINVAL, "\"%s\": there is no way back: more than literal text and plain groups",
                        regex->text);
    if (!leads_back(regex, values, count, true, out, &len) && !leads_back(regex, values, count, false, out, &len))
        return tc__fail(TC_EINVAL, "\"%s\": the expression does not take %s with these values", regex->text, out);
    return len;
}
