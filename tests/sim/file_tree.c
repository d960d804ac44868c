/* file_tree.c: see file_tree.h. Paths are followed as Linux does.
 * Invariant: a node is freed when its last reference goes; a directory holds its parent, so that
 * ".." leads somewhere even from one that was removed.
 * The order of names in a scan is drawn, as a hash would make it. */
#include "file_tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINKS_MAX = 40, PATH_BYTES_MAX = 4096, DISK_BYTES = 64 << 20 };

static struct {
    struct node *root;
    uint64_t inodes, places;
    size_t nodes, used_bytes, disk_bytes;
    bool tells_kind;
} tree;

/* --- Nodes --- */

static void *get_memory(void *old, size_t bytes) {
    void *memory = realloc(old, bytes);
    if (memory == NULL) sim_fail("no memory for the simulation itself");
    return memory;
}

static struct node *make_node(enum node_kind kind, uint32_t mode) {
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFSOCK};
    struct node *node = get_memory(NULL, sizeof *node);
    *node = (struct node){.kind = kind, .references = 1, .links = 1, .mode = types[kind] | mode};
    node->inode = ++tree.inodes;
    tree.nodes++;
    file_tree_touch(node);
    return node;
}

void file_tree_hold(struct node *node) {
    node->references++;
}

void file_tree_release(struct node *node) {
    if (--node->references > 0) return;
    tree.used_bytes -= node->size;
    tree.nodes--;
    if (node->kind == NODE_DIRECTORY && node->parent != node) file_tree_release(node->parent);
    free(node->bytes);
    free(node);
}

void file_tree_touch(struct node *node) {
    node->modify_ns = node->change_ns = SIM_WALL_START_S * EDDY_NS_PER_S + sim_now_ns();
}

void file_tree_resize(struct node *node, size_t size) {
    if (size > node->room) {
        node->room = size < 64 ? 64 : size + size / 2;
        node->bytes = get_memory(node->bytes, node->room);
    }
    if (size > node->size) memset(node->bytes + node->size, 0, size - node->size);
    tree.used_bytes += size - node->size;
    node->size = size;
}

size_t file_tree_room(void) {
    return tree.used_bytes < tree.disk_bytes ? tree.disk_bytes - tree.used_bytes : 0;
}

bool file_tree_tells_kind(void) {
    return tree.tells_kind;
}

struct node *file_tree_root(void) {
    return tree.root;
}

bool file_tree_is_within(const struct node *node, const struct node *directory) {
    for (;; node = node->parent) {
        if (node == directory) return true;
        if (node->parent == node) return false;
    }
}

/* --- Names --- */

static struct entry **find(struct node *directory, const char *name) {
    struct entry **at = &directory->first;
    while (*at != NULL && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

static void add_entry(struct node *directory, const char *name, struct node *node) {
    struct entry *entry = get_memory(NULL, sizeof *entry);
    *entry = (struct entry){.node = node};
    memcpy(entry->name, name, strlen(name) + 1);
    entry->place = (uint64_t)(1 + sim_below(UINT32_MAX >> 2)) << 32 | ++tree.places;
    struct entry **at = &directory->first;
    while (*at != NULL && (*at)->place < entry->place) at = &(*at)->next;
    entry->next = *at;
    *at = entry;
    file_tree_touch(directory);
}

static void remove_entry(struct node *directory, const char *name) {
    struct entry **at = find(directory, name);
    struct entry *entry = *at;
    if (entry == NULL) sim_fail("%s has no name to lose", name);
    *at = entry->next;
    free(entry);
    file_tree_touch(directory);
}

static void set_parent(struct node *node, struct node *parent) {
    node->parent = parent;
    parent->links++;
    if (parent != node) file_tree_hold(parent);
}

struct node *file_tree_make(const struct place *place, enum node_kind kind, uint32_t mode) {
    struct node *node = make_node(kind, mode);
    if (kind == NODE_DIRECTORY) {
        node->links = 2;
        set_parent(node, place->directory);
    }
    add_entry(place->directory, place->name, node);
    return node;
}

void file_tree_remove(const struct place *place) {
    struct node *node = place->node;
    if (node->kind == NODE_DIRECTORY) node->parent->links--;
    node->links = 0;
    node->change_ns = SIM_WALL_START_S * EDDY_NS_PER_S + sim_now_ns();
    remove_entry(place->directory, place->name);
    file_tree_release(node);
}

void file_tree_move(const struct place *from, const struct place *to) {
    struct node *node = from->node;
    if (to->node != NULL) file_tree_remove(to);
    remove_entry(from->directory, from->name);
    add_entry(to->directory, to->name, node);
    node->change_ns = SIM_WALL_START_S * EDDY_NS_PER_S + sim_now_ns();
    if (node->kind != NODE_DIRECTORY) return;
    struct node *before = node->parent;
    before->links--;
    set_parent(node, to->directory);
    file_tree_release(before);
}

/* --- Paths --- */

struct walk {
    struct node *start, *at;
    unsigned how, links;
    const char *rest;
    char path[2 * PATH_BYTES_MAX]; /* what is still to go, at its end */
};

static int follow(struct walk *walk, const struct node *link) {
    if (walk->how & FOLLOW_NONE) return -ELOOP;
    if (++walk->links > LINKS_MAX) return -ELOOP;
    size_t rest = strlen(walk->rest) + 1;
    if (link->size + rest > sizeof walk->path) return -ENAMETOOLONG;
    memmove(walk->path + link->size, walk->rest, rest);
    memcpy(walk->path, link->bytes, link->size);
    walk->rest = walk->path;
    if (walk->path[0] != '/') return 0;
    if (walk->how & STAY_BENEATH) return -EXDEV;
    walk->at = tree.root;
    return 0;
}

static int look_up(struct walk *walk, struct place *place) {
    place->directory = walk->at;
    place->entry = NULL;
    place->is_dotdot = strcmp(place->name, "..") == 0;
    place->is_dots = place->is_dotdot || strcmp(place->name, ".") == 0;
    if (place->is_dotdot) {
        if ((walk->how & STAY_BENEATH) && walk->at == walk->start) return -EXDEV;
        place->node = walk->at->parent;
    } else if (place->is_dots) {
        place->node = walk->at;
    } else {
        place->entry = *find(walk->at, place->name);
        place->node = place->entry != NULL ? place->entry->node : NULL;
    }
    return 0;
}

/* Takes the next name off the rest. Returns whether it is the last one. */
static int next_name(struct walk *walk, struct place *place, bool *is_last) {
    size_t length = strcspn(walk->rest, "/");
    if (length > FILE_NAME_BYTES_MAX) return -ENAMETOOLONG;
    memcpy(place->name, walk->rest, length);
    place->name[length] = '\0';
    walk->rest += length;
    place->has_slash = walk->rest[0] == '/';
    *is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    return 0;
}

static bool is_followed(const struct walk *walk, const struct place *place, bool is_last) {
    if (place->node == NULL || place->node->kind != NODE_LINK) return false;
    if (!is_last || (walk->how & FOLLOW_LAST)) return true;
    return place->has_slash && !(walk->how & KEEP_SLASH);
}

static int go(struct walk *walk, struct place *place) {
    for (;;) {
        bool is_last;
        walk->rest += strspn(walk->rest, "/");
        if (walk->rest[0] == '\0') { /* the path, or a link, is nothing but slashes */
            *place = (struct place){.directory = walk->at, .node = walk->at, .is_dots = true};
            return 0;
        }
        int err = next_name(walk, place, &is_last);
        if (err == 0) err = look_up(walk, place);
        if (err < 0) return err;
        if (is_followed(walk, place, is_last)) {
            err = follow(walk, place->node);
            if (err < 0) return err;
            continue;
        }
        if (is_last) return 0;
        if (place->node == NULL) return -ENOENT;
        if (place->node->kind != NODE_DIRECTORY) return -ENOTDIR;
        walk->at = place->node;
    }
}

int file_tree_resolve(struct node *start, const char *path, unsigned how, struct place *place) {
    struct walk walk;
    size_t size = strlen(path) + 1;
    if (size == 1) return -ENOENT;
    if (size > PATH_BYTES_MAX) return -ENAMETOOLONG;
    if (path[0] == '/' && (how & STAY_BENEATH)) return -EXDEV;
    walk.start = start;
    walk.at = path[0] == '/' ? tree.root : start;
    walk.how = how;
    walk.links = 0;
    walk.rest = path;
    return go(&walk, place);
}

/* --- Beginning and ending --- */

void sim_files_begin(void) {
    tree.inodes = tree.places = 0;
    tree.nodes = tree.used_bytes = 0;
    tree.disk_bytes = DISK_BYTES;
    if (sim_weather()->faults > 0 && sim_below(8) == 0) tree.disk_bytes = sim_below(1 << 20);
    tree.tells_kind = sim_weather()->disk_ns == 0 || sim_below(4) > 0;
    tree.root = make_node(NODE_DIRECTORY, 0755);
    tree.root->parent = tree.root;
    tree.root->links = 2;
}

static void remove_all(struct node *directory) {
    while (directory->first != NULL) {
        struct place place = {.directory = directory, .node = directory->first->node};
        memcpy(place.name, directory->first->name, sizeof place.name);
        if (place.node->kind == NODE_DIRECTORY) remove_all(place.node);
        file_tree_remove(&place);
    }
}

void sim_files_end(void) {
    remove_all(tree.root);
    file_tree_release(tree.root);
    /* A thread of a child's parent may have been just opening one. */
    sim_check(tree.nodes == 0 || sim_is_child(), "%zu files are held by nobody", tree.nodes);
}
