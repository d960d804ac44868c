/* serve_tree.c: see serve_tree.h.
 * Invariant: what is in `nodes` is what tree_put() has put, but for the moving file.
 * Threading: one context runs at a time. */
#include "serve_tree.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

enum {
    PATTERN_BYTES = 400 * 1024,
    LARGE_MAX = 300 * 1024,
    MOVING_MAX = 300000,
    SIZES_MAX = 256, /* that the moving file has */
    LINKS_MAX = 8,   /* followed for one path */
};

#define LARGE SIZE_MAX /* as a size: tree_put() says */

/* A directory whose listing is more than the server gives at once. */
#define WIDE_NAME(letter) \
    "wide/" letter " is a file whose name is as long as that of a song by somebody; its number: "
#define WIDE(letter)                                                 \
    {.path = WIDE_NAME(letter) "1", .start = 70, .bytes = 12},       \
        {.path = WIDE_NAME(letter) "2", .start = 71, .bytes = 13}, { \
        .path = WIDE_NAME(letter) "10", .start = 72, .bytes = 14     \
    }

static const struct tree_node nodes[] = {
    {.path = "", .kind = TREE_DIRECTORY},
    {.path = "empty", .start = 1, .bytes = 0},
    {.path = "one", .start = 2, .bytes = 1},
    {.path = "small.txt", .start = 100, .bytes = 500},
    {.path = "medium.bin", .start = 700, .bytes = 5000},
    {.path = "large.bin", .start = 1001, .bytes = LARGE},
    {.path = "moving.txt", .start = 40000, .bytes = 3000, .is_moving = true},
    {.path = "odd & <b>'%41'\"+.html", .start = 31, .bytes = 77},
    {.path = "a:b", .start = 33, .bytes = 20},
    {.path = "gr\xc3\xbc\xc3\x9f", .start = 35, .bytes = 21},
    {.path = ".hidden", .start = 37, .bytes = 22},
    {.path = "%2e%2e", .start = 39, .bytes = 23},
    {.path = "docs", .kind = TREE_DIRECTORY},
    {.path = "docs/a.txt", .start = 50, .bytes = 10},
    {.path = "docs/a.txt.gz", .start = 52, .bytes = 8}, /* too short for a draw of several ranges */
    {.path = "docs/up.gz", .kind = TREE_LINK, .target = "a.txt.gz"},
    {.path = "small.txt.br", .kind = TREE_DIRECTORY},
    {.path = "docs/sub", .kind = TREE_DIRECTORY},
    {.path = "docs/sub/b.txt", .start = 60, .bytes = 11},
    {.path = "docs/up", .kind = TREE_LINK, .target = "../small.txt"},
    {.path = "docs/out", .kind = TREE_LINK, .target = "../../secret.txt"},
    {.path = "docs/away", .kind = TREE_LINK, .target = "../../other"},
    {.path = "docs/back", .kind = TREE_LINK, .target = "../../www/small.txt"},
    {.path = "docs/absolute", .kind = TREE_LINK, .target = "/www/small.txt"},
    {.path = "docs/loop", .kind = TREE_LINK, .target = "loop"},
    {.path = "docs/nowhere", .kind = TREE_LINK, .target = "nothing"},
    {.path = "docs/also", .kind = TREE_LINK, .target = "sub"},
    {.path = "hollow", .kind = TREE_DIRECTORY},
    {.path = "wide", .kind = TREE_DIRECTORY},
    WIDE("a"),
    WIDE("B"),
    WIDE("c"),
    WIDE("D"),
    WIDE("e"),
    WIDE("F"),
    WIDE("g"),
    {.path = "site", .kind = TREE_DIRECTORY},
    {.path = "site/index.html", .start = 80, .bytes = 300},
    {.path = "site/index.html.gz", .start = 82, .bytes = 7},
    {.path = "deep", .kind = TREE_DIRECTORY},
    {.path = "deep/index.html", .kind = TREE_DIRECTORY},
    {.path = "trap", .kind = TREE_DIRECTORY},
    {.path = "trap/index.html", .kind = TREE_LINK, .target = "../../secret.txt"},
};

enum { NODES = sizeof nodes / sizeof nodes[0] };

static struct {
    char pattern[PATTERN_BYTES]; /* the same in each world */
    size_t large_bytes;
    size_t sizes[SIZES_MAX], sizes_count; /* of the moving file, so far */
} tree;

/* --- Making it --- */

static void make_pattern(void) {
    uint32_t state = 1;
    if (tree.pattern[0] != 0) return;
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        state = state * 1664525 + 1013904223;
        tree.pattern[i] = (char)('a' + (state >> 24) % 26);
    }
}

static void put_node(const struct tree_node *node) {
    char path[128];
    snprintf(path, sizeof path, TREE_ROOT "/%s", node->path);
    if (node->path[0] == '\0') path[sizeof TREE_ROOT - 1] = '\0';
    if (node->kind == TREE_DIRECTORY)
        sim_put_directory(path);
    else if (node->kind == TREE_LINK)
        sim_put_link(path, node->target);
    else
        sim_put_file(path, tree.pattern + node->start, tree_bytes_of(node));
}

void tree_put(size_t large_bytes) {
    static const char secret[] = TREE_SECRET " and more";
    make_pattern();
    tree.large_bytes = large_bytes < LARGE_MAX ? large_bytes : LARGE_MAX;
    tree.sizes_count = 0;
    for (size_t i = 0; i < NODES; i++) {
        put_node(&nodes[i]);
        if (nodes[i].is_moving) tree.sizes[tree.sizes_count++] = nodes[i].bytes;
    }
    sim_put_directory("other");
    sim_put_file("other/" TREE_SECRET, secret, sizeof secret - 1);
    sim_put_file("secret.txt", secret, sizeof secret - 1);
    sim_put_file("www-secret", secret, sizeof secret - 1);
}

void tree_move(void) {
    static const char path[] = TREE_ROOT "/moving.txt";
    size_t size;
    if (sim_file_bytes(path, &size) != NULL && sim_below(4) == 0) {
        sim_remove(path);
        return;
    }
    if (tree.sizes_count == SIZES_MAX) return;
    size = sim_below(4) == 0 ? 0 : sim_below(20 * (unsigned)tree.large_bytes);
    if (size > MOVING_MAX) size = MOVING_MAX;
    tree.sizes[tree.sizes_count++] = size;
    sim_put_file(path, tree.pattern + tree_find("moving.txt")->start, size);
}

/* --- Looking at it --- */

size_t tree_count(void) {
    return NODES;
}

const struct tree_node *tree_at(size_t index) {
    return &nodes[index];
}

size_t tree_bytes_of(const struct tree_node *node) {
    return node->bytes == LARGE ? tree.large_bytes : node->bytes;
}

const char *tree_bytes_from(const struct tree_node *node) {
    return tree.pattern + node->start;
}

bool tree_was_long(size_t bytes) {
    for (size_t i = 0; i < tree.sizes_count; i++)
        if (tree.sizes[i] == bytes) return true;
    return false;
}

static const struct tree_node *find_node(const char *path) {
    for (size_t i = 0; i < NODES; i++)
        if (strcmp(nodes[i].path, path) == 0) return &nodes[i];
    return NULL;
}

/* Goes down `rest` from the directory `at`, which it changes. False: it leaves the root, or is not
 * there. */
static bool walk(char *at, size_t room, const char *rest, unsigned *links) {
    if (rest[0] == '/') return false;
    while (*rest != '\0') {
        size_t length = strcspn(rest, "/");
        size_t used = strlen(at);
        const struct tree_node *here = find_node(at);
        if (here == NULL || here->kind != TREE_DIRECTORY) return false;
        if (length == 2 && memcmp(rest, "..", 2) == 0) {
            if (used == 0) return false;
            char *slash = strrchr(at, '/');
            *(slash != NULL ? slash : at) = '\0';
        } else if (length > 0 && !(length == 1 && rest[0] == '.')) {
            if (used + length + 2 > room) return false;
            snprintf(at + used, room - used, "%s%.*s", used > 0 ? "/" : "", (int)length, rest);
            here = find_node(at);
            if (here == NULL) return false;
            if (here->kind == TREE_LINK) {
                at[used] = '\0';
                if (++*links > LINKS_MAX || !walk(at, room, here->target, links)) return false;
            }
        }
        rest += length;
        if (*rest != '/') continue;
        here = find_node(at);
        if (here == NULL || here->kind != TREE_DIRECTORY) return false;
        rest++;
    }
    return true;
}

const struct tree_node *tree_find(const char *path) {
    char at[256] = "";
    unsigned links = 0;
    return walk(at, sizeof at, path, &links) ? find_node(at) : NULL;
}
