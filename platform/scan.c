/* scan.c: the names of a directory, straight from the kernel into the caller's buffer.
 * Invariant: the kernel's records are turned into ours in place, from the first to the last; ours
 * are never longer, so none is overwritten before it was read. readdir is no use here: it reads
 * ahead into memory of its own, and then the descriptor's position is no longer the caller's. */
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy_config.h"

#if defined(__linux__) /* its libraries do not all have the call, or name it differently */
#include <sys/syscall.h>
#elif defined(HAVE_GETATTRLISTBULK)
#include <sys/attr.h>
#endif

enum { SCAN_ALIGNMENT = 8, SCAN_BYTES_MAX = 1 << 30 };

/* Puts a record at `place`; `name` may overlap it. Returns its size. The buffer may begin at any
 * address, so nothing is written but by memcpy. */
static size_t scan_put_entry(char *place, uint64_t inode, uint8_t kind, const char *name) {
    enum { HEAD = offsetof(struct eddy_os_entry, name) };
    size_t length = strlen(name) + 1;
    size_t bytes = (HEAD + length + SCAN_ALIGNMENT - 1) / SCAN_ALIGNMENT * SCAN_ALIGNMENT;
    struct eddy_os_entry head = {.inode = inode, .bytes = (uint16_t)bytes, .kind = kind};
    memmove(place + HEAD, name, length);
    memcpy(place, &head, HEAD);
    return bytes;
}

/* Of what is no directory the BSDs say EINVAL, as of a buffer that is too small. Test:
 * a_scan_of_a_file_has_one_error. */
static ssize_t scan_fail(int fd, int error) {
    struct stat info;
    bool is_other = error == EINVAL && fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode);
    return is_other ? -ENOTDIR : -error;
}

#ifndef HAVE_GETATTRLISTBULK

static ssize_t scan_read_records(int fd, void *buffer, size_t size) {
#ifdef __linux__ /* see above */
    return (ssize_t)syscall(SYS_getdents64, fd, buffer, (unsigned)size);
#else
    return getdents(fd, buffer, size);
#endif
}

static bool scan_is_hidden(const struct dirent *entry) {
    const char *name = entry->d_name;
#ifndef __linux__ /* the BSDs leave the records of removed names, with no inode */
    if (entry->d_fileno == 0) return true;
#endif
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static uint8_t scan_kind_of(unsigned type) {
    if (type == DT_REG) return EDDY_ENTRY_FILE;
    if (type == DT_DIR) return EDDY_ENTRY_DIRECTORY;
    if (type == DT_LNK) return EDDY_ENTRY_LINK;
    return type == DT_UNKNOWN ? EDDY_ENTRY_UNKNOWN : EDDY_ENTRY_OTHER;
}

static size_t scan_convert(char *buffer, const char *records, size_t size) {
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        const struct dirent *entry = (const void *)(records + at);
        at += entry->d_reclen; /* before the record may be overwritten */
        if (scan_is_hidden(entry)) continue;
        used += scan_put_entry(buffer + used, (uint64_t)entry->d_fileno,
                               scan_kind_of(entry->d_type), entry->d_name);
    }
    return used;
}

ssize_t eddy_os_file_scan(int fd, void *buffer, size_t size) {
    /* The kernel's records need an aligned place. */
    size_t gap = (SCAN_ALIGNMENT - (uintptr_t)buffer % SCAN_ALIGNMENT) % SCAN_ALIGNMENT;
    char *records = (char *)buffer + gap;
    if (size > SCAN_BYTES_MAX) size = SCAN_BYTES_MAX;
    for (;;) {
        ssize_t count = scan_read_records(fd, records, size - gap);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count < 0 ? scan_fail(fd, errno) : 0;
        size_t used = scan_convert(buffer, records, (size_t)count);
        if (used > 0) return (ssize_t)used; /* else there were only hidden ones */
    }
}

#else /* macOS has no getdents, but this */

struct scan_record {
    uint32_t bytes;
    attribute_set_t returned;
    attrreference_t name; /* its offset counts from itself */
    uint32_t type;
    uint64_t inode;
} __attribute__((packed));

/* VNON and so on of sys/vnode.h, which cross compilers' headers leave out. */
enum { SCAN_TYPE_NONE = 0, SCAN_TYPE_FILE = 1, SCAN_TYPE_DIRECTORY = 2, SCAN_TYPE_LINK = 5 };

static uint8_t scan_kind_of(unsigned type) {
    if (type == SCAN_TYPE_FILE) return EDDY_ENTRY_FILE;
    if (type == SCAN_TYPE_DIRECTORY) return EDDY_ENTRY_DIRECTORY;
    if (type == SCAN_TYPE_LINK) return EDDY_ENTRY_LINK;
    return type == SCAN_TYPE_NONE ? EDDY_ENTRY_UNKNOWN : EDDY_ENTRY_OTHER;
}

ssize_t eddy_os_file_scan(int fd, void *buffer, size_t size) {
    struct attrlist wanted = {
        .bitmapcount = ATTR_BIT_MAP_COUNT,
        .commonattr = ATTR_CMN_RETURNED_ATTRS | ATTR_CMN_NAME | ATTR_CMN_OBJTYPE | ATTR_CMN_FILEID,
    };
    if (size > SCAN_BYTES_MAX) size = SCAN_BYTES_MAX;
    int count;
    do {
        count = getattrlistbulk(fd, &wanted, buffer, size, FSOPT_PACK_INVAL_ATTRS);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return scan_fail(fd, errno);
    size_t used = 0;
    const char *at = buffer;
    for (; count > 0; count--) {
        struct scan_record record;
        memcpy(&record, at, sizeof record);
        const char *name = at + offsetof(struct scan_record, name) + record.name.attr_dataoffset;
        at += record.bytes;
        used +=
            scan_put_entry((char *)buffer + used, record.inode, scan_kind_of(record.type), name);
    }
    return (ssize_t)used;
}

#endif
