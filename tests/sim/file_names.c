/* file_names.c: files by their names, what is known of them, and the program's own functions for
 * files, which neither wait nor fail. */
#include "file_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 4096, SECTOR_BYTES = 512, UMASK = 022 };

/* --- What is known of a file --- */

static void fill_stat(eddy_stat *stat, const struct node *node) {
    *stat = (eddy_stat){
        .device = 1,
        .inode = node->inode,
        .links = node->links,
        .mode = node->mode,
        .block_bytes = BLOCK_BYTES,
        .size = node->kind == NODE_DIRECTORY ? BLOCK_BYTES : (int64_t)node->size,
        .blocks = (int64_t)(node->size + SECTOR_BYTES - 1) / SECTOR_BYTES,
        .access_s = node->change_ns / EDDY_NS_PER_S,
        .modify_s = node->modify_ns / EDDY_NS_PER_S,
        .change_s = node->change_ns / EDDY_NS_PER_S,
        .access_ns = (int32_t)(node->change_ns % EDDY_NS_PER_S),
        .modify_ns = (int32_t)(node->modify_ns % EDDY_NS_PER_S),
        .change_ns = (int32_t)(node->change_ns % EDDY_NS_PER_S),
    };
}

int eddy_os_file_fstat(int fd, eddy_stat *stat, unsigned how) {
    int err = sim_enter(OS_CALL_file_fstat);
    bool waits = !(how & EDDY_OS_NOWAIT);
    if (err < 0 && !(waits && err == -EAGAIN)) return err;
    if (waits) file_wait();
    const struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    const struct open_file *file = file_get(fd);
    if (file != NULL) {
        fill_stat(stat, file->node);
        return 0;
    }
    bool is_pipe = strcmp(description->kind->name, "pipe") == 0;
    *stat = (eddy_stat){
        .device = 2,
        .inode = description->serial,
        .links = 1,
        .mode = is_pipe ? S_IFIFO | 0600 : S_IFSOCK | 0777,
        .block_bytes = BLOCK_BYTES,
    };
    return 0;
}

/* Where a path of a call leads to, once the disk has told. */
static int find(int dir, const char *path, unsigned how, struct place *place) {
    struct node *start;
    file_wait();
    int err = file_start(dir, path, &start);
    return err < 0 ? err : file_tree_resolve(start, path, how, place);
}

int eddy_os_file_stat(int dir, const char *path, bool follow, eddy_stat *stat) {
    struct place place;
    int err = sim_enter(OS_CALL_file_stat);
    if (err == 0) err = find(dir, path, follow ? FOLLOW_LAST : 0, &place);
    if (err < 0) return err;
    if (place.node == NULL) return -ENOENT;
    if (place.has_slash && place.node->kind != NODE_DIRECTORY) return -ENOTDIR;
    fill_stat(stat, place.node);
    return 0;
}

/* --- Names --- */

static int check_directory_gone(const struct place *place) {
    const char *name = place->name;
    if (place->is_dots) return place->is_dotdot ? -ENOTEMPTY : name[0] == '.' ? -EINVAL : -EBUSY;
    if (place->node == NULL) return -ENOENT;
    if (place->node->kind != NODE_DIRECTORY) return -ENOTDIR;
    return place->node->first != NULL ? -ENOTEMPTY : 0;
}

static int check_file_gone(const struct place *place) {
    if (place->is_dots) return -EISDIR;
    if (place->node == NULL) return -ENOENT;
    if (place->node->kind == NODE_DIRECTORY) return -EISDIR;
    return place->has_slash ? -ENOTDIR : 0;
}

int eddy_os_file_unlink(int dir, const char *path, bool is_directory) {
    struct place place;
    int err = sim_enter(OS_CALL_file_unlink);
    if (err == 0) err = find(dir, path, KEEP_SLASH, &place);
    if (err == 0) err = is_directory ? check_directory_gone(&place) : check_file_gone(&place);
    if (err < 0) return err;
    file_tree_remove(&place);
    return 0;
}

static int check_move(const struct place *from, const struct place *to) {
    if (from->is_dots || to->is_dots) return -EBUSY;
    if (from->node == NULL) return -ENOENT;
    bool moves_directory = from->node->kind == NODE_DIRECTORY;
    if (moves_directory && file_tree_is_within(to->directory, from->node)) return -EINVAL;
    if (!moves_directory && (from->has_slash || to->has_slash)) return -ENOTDIR;
    if (to->node == NULL) return to->directory->links > 0 ? 0 : -ENOENT;
    if (to->node == from->node) return 0;
    if (to->node->kind == NODE_DIRECTORY && file_tree_is_within(from->directory, to->node))
        return -ENOTEMPTY;
    bool onto_directory = to->node->kind == NODE_DIRECTORY;
    if (moves_directory != onto_directory) return onto_directory ? -EISDIR : -ENOTDIR;
    return onto_directory && to->node->first != NULL ? -ENOTEMPTY : 0;
}

int eddy_os_file_rename(int from_dir, const char *from, int to_dir, const char *to) {
    struct place old, new;
    struct node *start;
    int err = sim_enter(OS_CALL_file_rename);
    if (err == 0) err = find(from_dir, from, KEEP_SLASH, &old);
    if (err == 0) err = file_start(to_dir, to, &start);
    if (err == 0) err = file_tree_resolve(start, to, KEEP_SLASH, &new);
    if (err == 0) err = check_move(&old, &new);
    if (err == 0 && old.node != new.node) file_tree_move(&old, &new);
    return err;
}

int eddy_os_file_mkdir(int dir, const char *path, unsigned mode) {
    struct place place;
    int err = sim_enter(OS_CALL_file_mkdir);
    if (err == 0) err = find(dir, path, KEEP_SLASH, &place);
    if (err < 0) return err;
    if (place.node != NULL) return -EEXIST;
    if (place.directory->links == 0) return -ENOENT;
    file_tree_make(&place, NODE_DIRECTORY, mode & ~(unsigned)UMASK & 01777);
    return 0;
}

/* --- Scans --- */

static size_t put_entry(char *place, const struct entry *entry) {
    static const uint8_t kinds[] = {EDDY_ENTRY_FILE, EDDY_ENTRY_DIRECTORY, EDDY_ENTRY_LINK,
                                    EDDY_ENTRY_OTHER};
    enum { HEAD = offsetof(struct eddy_os_entry, name) };
    size_t length = strlen(entry->name) + 1, bytes = (HEAD + length + 7) / 8 * 8;
    struct eddy_os_entry head = {.inode = entry->node->inode, .bytes = (uint16_t)bytes};
    if (file_tree_tells_kind()) head.kind = kinds[entry->node->kind];
    memcpy(place, &head, HEAD);
    memcpy(place + HEAD, entry->name, length);
    return bytes;
}

/* What the kernel's own record would take, which is what has to fit. */
static size_t kernel_bytes(const struct entry *entry) {
    return (19 + strlen(entry->name) + 1 + 7) / 8 * 8;
}

static ssize_t scan(struct open_file *file, char *buffer, size_t size) {
    size_t used = 0, kernel_used = 0;
    unsigned names = sim_happens(sim_weather()->shorts) ? 1 + sim_below(3) : UINT_MAX;
    for (const struct entry *at = file->node->first; at != NULL && names > 0; at = at->next) {
        if (at->place <= (uint64_t)file->position) continue;
        kernel_used += kernel_bytes(at);
        if (kernel_used > size) return used > 0 ? (ssize_t)used : -EINVAL;
        used += put_entry(buffer + used, at);
        file->position = (int64_t)at->place;
        names--;
    }
    return (ssize_t)used;
}

ssize_t eddy_os_file_scan(int fd, void *buffer, size_t size) {
    int err = sim_enter(OS_CALL_file_scan);
    if (err < 0) return err;
    file_wait();
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    struct open_file *file = file_get(fd);
    if (file == NULL || file->node->kind != NODE_DIRECTORY) return -ENOTDIR;
    if (file->node->links == 0) return -ENOENT;
    return scan(file, buffer, size);
}

/* --- The program's own functions --- */

static struct place place_of(const char *path, unsigned how) {
    struct place place;
    int err = file_tree_resolve(file_tree_root(), path, how, &place);
    sim_check(err == 0, "%s: there is no way there: %d", path, err);
    return place;
}

void sim_put_directory(const char *path) {
    struct place place = place_of(path, 0);
    sim_check(place.node == NULL, "%s is there", path);
    file_tree_make(&place, NODE_DIRECTORY, 0755);
    sim_progress();
}

/* A file that is there gets the bytes, or another file takes its place: as it is done in life. */
void sim_put_file(const char *path, const void *data, size_t size) {
    struct place place = place_of(path, 0);
    struct node *node = place.node;
    sim_check(node == NULL || node->kind == NODE_FILE, "%s is no file", path);
    sim_check(size <= FILE_BYTES_MAX, "%s: too large", path);
    if (node != NULL && sim_below(2) == 0) {
        file_tree_remove(&place);
        node = NULL;
    }
    if (node == NULL) node = file_tree_make(&place, NODE_FILE, 0644);
    file_tree_resize(node, size);
    if (size > 0) memcpy(node->bytes, data, size);
    file_tree_touch(node);
    sim_progress();
}

void sim_put_link(const char *path, const char *target) {
    struct place place = place_of(path, 0);
    sim_check(place.node == NULL, "%s is there", path);
    sim_check(target[0] != '\0', "%s: a link to nothing", path);
    struct node *node = file_tree_make(&place, NODE_LINK, 0777);
    file_tree_resize(node, strlen(target));
    memcpy(node->bytes, target, strlen(target));
    sim_progress();
}

void sim_remove(const char *path) {
    struct place place = place_of(path, KEEP_SLASH);
    sim_check(place.entry != NULL, "%s is not there", path);
    sim_check(place.node->first == NULL, "%s is not empty", path);
    file_tree_remove(&place);
    sim_progress();
}

const void *sim_file_bytes(const char *path, size_t *size) {
    struct place place;
    *size = 0;
    if (file_tree_resolve(file_tree_root(), path, FOLLOW_LAST, &place) < 0) return NULL;
    if (place.node == NULL || place.node->kind != NODE_FILE) return NULL;
    *size = place.node->size;
    return place.node->bytes != NULL ? (const void *)place.node->bytes : "";
}

int sim_open(const char *path) {
    struct place place = place_of(path, FOLLOW_LAST);
    bool is_directory = place.node != NULL && place.node->kind == NODE_DIRECTORY;
    sim_faults_off(); /* there may be few numbers for the others */
    int fd = file_open(file_tree_root(), path, is_directory ? O_RDONLY : O_RDWR, 0, 0);
    sim_faults_on();
    sim_check(fd >= 0, "sim_open: %s: %d", path, fd);
    return fd;
}
