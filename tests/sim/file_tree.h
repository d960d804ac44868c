/* file_tree.h: the files of a world, without descriptors: nodes, names, and how a path is followed.
 * Nothing here waits, fails by chance, or asks who calls. */
#ifndef EDDY_TESTS_SIM_FILE_TREE_H
#define EDDY_TESTS_SIM_FILE_TREE_H

#include "world.h"

enum {
    FILE_NAME_BYTES_MAX = 255,
    FILE_BYTES_MAX = 16 << 20, /* of one file */
};

enum node_kind { NODE_FILE, NODE_DIRECTORY, NODE_LINK, NODE_SOCKET };

struct node {
    enum node_kind kind;
    unsigned references; /* its name, its descriptors, and the directories in it */
    unsigned links;      /* 0: it has no name any more */
    uint64_t inode;
    uint32_t mode;
    int64_t modify_ns, change_ns;          /* of the wall clock */
    bool name_is_cached, bytes_are_cached; /* what can be had without waiting */
    unsigned char *bytes;                  /* of a file or, ended, a link's target */
    size_t size, room;
    struct node *parent; /* of a directory; the root's is the root */
    struct entry *first; /* in the order of their places */
};

struct entry {
    struct entry *next;
    struct node *node;
    uint64_t place; /* in a scan: never 0, never used twice */
    char name[FILE_NAME_BYTES_MAX + 1];
};

/* Where a path leads. */
struct place {
    struct node *directory; /* that has or could have the name */
    struct entry *entry;    /* NULL: it is not there, or is_dots */
    struct node *node;      /* NULL: it is not there */
    bool is_dots;           /* "/", "." or "..", last */
    bool is_dotdot;
    bool has_slash; /* at its end */
    char name[FILE_NAME_BYTES_MAX + 1];
};

enum {
    FOLLOW_LAST = 1 << 0, /* a link that is the last name */
    FOLLOW_NONE = 1 << 1, /* a link on the way is -ELOOP */
    STAY_BENEATH = 1 << 2,
    KEEP_SLASH = 1 << 3, /* not even a slash behind the last name makes it followed */
};

struct node *file_tree_root(void);
int file_tree_resolve(struct node *start, const char *path, unsigned how, struct place *place);

struct node *file_tree_make(const struct place *place, enum node_kind kind, uint32_t mode);
void file_tree_remove(const struct place *place);
void file_tree_move(const struct place *from, const struct place *to);
bool file_tree_is_within(const struct node *node, const struct node *directory);
void file_tree_hold(struct node *node);
void file_tree_release(struct node *node);

/* Changes a file's size; new bytes are 0. */
void file_tree_resize(struct node *node, size_t size);
void file_tree_touch(struct node *node);
size_t file_tree_room(void);     /* bytes that the disk still takes */
bool file_tree_tells_kind(void); /* whether a scan does; not every file system's does */

/* --- file_calls.c --- */

/* What a descriptor of a file stands for. */
struct open_file {
    struct node *node;
    int flags;
    int64_t position; /* of a directory: the place of the last name that was told */
};

struct open_file *file_get(int fd); /* NULL: not open, or something else */
/* What a call for those bytes does, in no time. */
ssize_t file_transfer(struct sim_description *description, const struct iovec *vectors, int count,
                      int64_t offset, bool writes);
/* Where a path starts. -EBADF, -ENOTDIR. */
int file_start(int dir, const char *path, struct node **start);
/* A call that may wait for the disk does so here. Only workers may. */
void file_wait(void);
int file_open(struct node *start, const char *path, int flags, unsigned mode, unsigned how);

#endif
