/*
 * route_tree.c - all patterns of one host rule, and the best of them for a path. (Tornado: routing.RuleRouter)
 *
 * Where a segment can be taken in several ways, the order is literal, int, parameter, tail; the earlier segment decides
 * first, and what leads nowhere is undone. A path that a pattern without parameters spells out is therefore always that
 * pattern's, which is why these stand in a table of their own: most requests are answered by one look into it.
 *
 * The rest is a tree with one level per segment. It is a tree, and a level stands for one segment of the path, so a
 * match visits each node at most once, however it backtracks; what is learnt of a segment (its end, its hash, whether
 * it is a number) is kept for all nodes of its level. A match costs the length of the path once, and then a constant
 * for each node that it visits: never more than the patterns hold.
 */
#include "web/route_tree_internal.h"

#include <string.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "web/route_pattern_internal.h"

struct tc__route_node {
    tc__route_table_t literals; /* next nodes */
    tc__route_node_t *integer;
    tc__route_node_t *segment;
    tc__route_t *route; /* for the path that ends here */
    tc__route_t *tail;  /* for a path that goes on */
};

/* ---- Building ------------------------------------------------------------------------------------------------- */

static void free_node(void *data) {
    tc__route_node_t *node = data;
    if (!node)
        return;
    tc__route_table_deinit(&node->literals, free_node); /* as deep as a pattern is long: TC__MAX_SEGMENTS */
    free_node(node->integer);
    free_node(node->segment);
    tc__free(node);
}

void tc__route_tree_init(tc__route_tree_t *tree) {
    tc__route_table_init(&tree->fixed);
    tree->root = NULL;
}

void tc__route_tree_deinit(tc__route_tree_t *tree) {
    tc__route_table_deinit(&tree->fixed, NULL);
    free_node(tree->root);
    tree->root = NULL;
}

static int refuse_twin(const tc__route_t *route, const tc__route_t *twin) {
    return tc__fail(TC_EALREADY, "\"%s\": \"%s\" is there already and takes the same paths", route->pattern,
                    twin->pattern);
}

static int add_fixed(tc__route_table_t *fixed, tc__route_t *route) {
    tc_bytes_t text = tc_str(route->pattern);
    const tc__route_t *twin = tc__route_table_get(fixed, text, tc__route_hash(text));
    return twin ? refuse_twin(route, twin) : tc__route_table_add(fixed, text, route);
}

/* The node in *place, made if there is none. NULL: out of memory. */
static tc__route_node_t *need_node(tc__route_node_t **place) {
    if (!*place)
        *place = tc__calloc(1, sizeof(**place));
    return *place;
}

static tc__route_node_t *need_literal(tc__route_node_t *node, tc_bytes_t text) {
    tc__route_node_t *next = tc__route_table_get(&node->literals, text, tc__route_hash(text));
    if (next || !need_node(&next))
        return next;
    if (tc__route_table_add(&node->literals, text, next) == 0)
        return next;
    free_node(next);
    return NULL;
}

static tc__route_node_t *need_next(tc__route_node_t *node, const tc__pattern_segment_t *segment) {
    if (segment->literal)
        return need_literal(node, segment->text);
    return need_node(segment->type == TC__PARAM_INT ? &node->integer : &node->segment);
}

/* Where the pattern ends in the tree; NULL: out of memory. Nodes that were made by then may stay: they lead nowhere. */
static tc__route_t **need_place(tc__route_node_t *node, const char *pattern) {
    tc__pattern_segment_t segment;
    while (node && tc__pattern_next(&pattern, &segment)) {
        if (!segment.literal && segment.type == TC__PARAM_TAIL)
            return &node->tail;
        node = need_next(node, &segment);
    }
    return node ? &node->route : NULL;
}

int tc__route_tree_add(tc__route_tree_t *tree, tc__route_t *route) {
    if (route->param_count == 0)
        return add_fixed(&tree->fixed, route);

    tc__route_t **place = need_node(&tree->root) ? need_place(tree->root, route->pattern) : NULL;
    if (!place)
        return TC_ENOMEM;
    if (*place)
        return refuse_twin(route, *place);
    *place = route;
    return 0;
}

/* ---- Covering ------------------------------------------------------------------------------------------------- */

/* Of the node and those below, for the rest of a pattern. */
static const tc__route_t *covers(const tc__route_node_t *node, const char *pattern) {
    tc__pattern_segment_t segment;
    const tc__route_t *found = NULL;
    if (!node)
        return NULL;
    if (!tc__pattern_next(&pattern, &segment))
        return node->route;
    const bool is_tail = !segment.literal && segment.type == TC__PARAM_TAIL;
    const bool is_int = segment.literal ? tc__pattern_is_int(segment.text) : segment.type == TC__PARAM_INT;
    if (segment.literal)
        found = covers(tc__route_table_get(&node->literals, segment.text, tc__route_hash(segment.text)), pattern);
    if (!found && is_int)
        found = covers(node->integer, pattern);
    if (!found && !is_tail && !(segment.literal && segment.text.len == 0))
        found = covers(node->segment, pattern);
    return found ? found : node->tail;
}

const tc__route_t *tc__route_tree_covers(const tc__route_tree_t *tree, const char *pattern) {
    const tc_bytes_t text = tc_str(pattern);
    const tc__route_t *fixed = tc__route_table_get(&tree->fixed, text, tc__route_hash(text));
    return fixed ? fixed : covers(tree->root, pattern);
}

/* ---- Matching ------------------------------------------------------------------------------------------------- */

enum { HASHED = 1, TRIED = 2, INT = 4 };

typedef struct {
    tc_bytes_t text;
    uint64_t hash;  /* once it is HASHED */
    unsigned known; /* HASHED; TRIED whether it is an INT */
} segment_t;

typedef struct {
    const char *path_end;
    size_t count;                             /* segments[0, count) are cut */
    segment_t segments[TC__MAX_SEGMENTS + 1]; /* the last node of the longest pattern looks at what follows, too */
    tc__match_t *out;
} walk_t;

/* Does the path end before the segment of that level? */
static bool ends_before(const walk_t *walk, size_t level) {
    if (level == 0)
        return false;
    const tc_bytes_t *before = &walk->segments[level - 1].text;
    return before->data + before->len == walk->path_end;
}

static void cut(segment_t *segment, const char *start, const char *path_end) {
    const char *slash = memchr(start, '/', (size_t)(path_end - start));
    segment->text = tc_bytes(start, (size_t)((slash ? slash : path_end) - start));
    segment->known = 0;
}

/* A level is reached through all levels above it, so it is the next one to be cut or was cut before. */
static segment_t *segment_at(walk_t *walk, size_t level) {
    segment_t *segment = &walk->segments[level];
    if (level == walk->count) {
        const tc_bytes_t *before = &walk->segments[level - 1].text;
        cut(segment, before->data + before->len + 1, walk->path_end);
        walk->count++;
    }
    return segment;
}

static tc__route_node_t *literal_of(const tc__route_node_t *node, segment_t *segment) {
    if (node->literals.count == 0 || segment->text.len > node->literals.longest)
        return NULL;
    if (!(segment->known & HASHED)) {
        segment->hash = tc__route_hash(segment->text);
        segment->known |= HASHED;
    }
    return tc__route_table_get(&node->literals, segment->text, segment->hash);
}

static bool is_int(segment_t *segment) {
    if (!(segment->known & TRIED))
        segment->known |= tc__pattern_is_int(segment->text) ? TRIED | INT : TRIED;
    return segment->known & INT;
}

static tc__route_t *descend(walk_t *walk, const tc__route_node_t *node, size_t level, size_t captures);

/* Take the segment of that level as a parameter, and see where it leads. */
static tc__route_t *capture(walk_t *walk, const tc__route_node_t *next, size_t level, size_t captures) {
    walk->out->captures[captures] = walk->segments[level].text;
    return descend(walk, next, level + 1, captures + 1);
}

static tc__route_t *descend(walk_t *walk, const tc__route_node_t *node, size_t level, size_t captures) {
    if (ends_before(walk, level))
        return node->route;

    segment_t *segment = segment_at(walk, level);
    tc__route_t *found = NULL;
    const tc__route_node_t *literal = literal_of(node, segment);
    if (literal)
        found = descend(walk, literal, level + 1, captures);
    if (!found && node->integer && is_int(segment))
        found = capture(walk, node->integer, level, captures);
    if (!found && node->segment && segment->text.len > 0)
        found = capture(walk, node->segment, level, captures);
    if (!found && node->tail) {
        const char *start = segment->text.data;
        walk->out->captures[captures] = tc_bytes(start, (size_t)(walk->path_end - start));
        found = node->tail;
    }
    return found;
}

static tc__route_t *search(const tc__route_node_t *root, tc_bytes_t path, tc__match_t *out) {
    walk_t walk; /* not cleared: only what is known is read */
    walk.path_end = path.data + path.len;
    walk.count = 1;
    walk.out = out;
    cut(&walk.segments[0], path.data + 1, walk.path_end);
    return descend(&walk, root, 0, 0);
}

static tc__route_t *find_fixed(const tc__route_table_t *fixed, tc_bytes_t path) {
    return path.len > fixed->longest ? NULL : tc__route_table_get(fixed, path, tc__route_hash(path));
}

tc__route_t *tc__route_tree_match(const tc__route_tree_t *tree, tc_bytes_t path, tc__match_t *out) {
    tc__route_t *route = find_fixed(&tree->fixed, path);
    if (route || !tree->root || path.len == 0 || path.data[0] != '/')
        return route;
    return search(tree->root, path, out);
}
