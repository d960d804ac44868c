/* serve_tree.h: the files that a simulated server serves, and what must be found under each path.
 *
 * The bytes of every file are a piece of one pattern, so that a file that was cut short or grown is
 * told from one that got another's bytes. Beside the root lie files that must never be served. */
#ifndef EDDY_TESTS_SIM_SERVE_TREE_H
#define EDDY_TESTS_SIM_SERVE_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum tree_kind { TREE_FILE, TREE_DIRECTORY, TREE_LINK };

struct tree_node {
    const char *path; /* beneath the root; "" is the root */
    enum tree_kind kind;
    const char *target; /* of a link */
    size_t start;       /* of a file, in the pattern */
    size_t bytes;       /* of a file */
    bool is_moving;     /* the file is cut, grown, removed and made again meanwhile */
};

#define TREE_ROOT "www"

/* In the first bytes of all that lies outside the root, and nowhere else. */
#define TREE_SECRET "@@not for strangers@@"

/* Puts everything into the simulated files. The large file has so many bytes. */
void tree_put(size_t large_bytes);

/* Something happens to the moving file. */
void tree_move(void);

size_t tree_count(void);
const struct tree_node *tree_at(size_t index);
size_t tree_bytes_of(const struct tree_node *node); /* of a file that does not move */
const char *tree_bytes_from(const struct tree_node *node);
/* Whether the moving file has ever been so long. */
bool tree_was_long(size_t bytes);

/* What a path beneath the root names when symbolic links are followed, or NULL: nothing, or
 * something outside. The path has no ".." of its own. */
const struct tree_node *tree_find(const char *path);

#endif
