/* scan.c: the names of a directory: all of them, whole, once, in any buffer. */
#include "files.h"

#include <dirent.h>

enum { NAMES = 400 };

/* Names of all lengths from 1 to 255, and some more. */
static void name_of(int number, char name[256]) {
    size_t length = (size_t)(number % 255) + 1;
    memset(name, 'x', length);
    name[length] = 0;
    if (length >= 4) memcpy(name + length - 4, "0000", 4);
    for (size_t at = length; number > 0 && at > 0; number /= 10)
        name[--at] = (char)('0' + number % 10);
}

static int number_of(const char *name) {
    char other[256];
    for (int number = 0; number < NAMES; number++) {
        name_of(number, other);
        if (strcmp(name, other) == 0) return number;
    }
    return -1;
}

static void count_names(const void *buffer, size_t used, int counts[NAMES]) {
    eddy_entry entry;
    for (size_t at = 0; eddy_scan_next(buffer, used, &at, &entry);) {
        int number = number_of(entry.name);
        ck_assert_msg(number >= 0, "a name that nobody gave: \"%s\"", entry.name);
        ck_assert(entry.kind == EDDY_ENTRY_FILE || entry.kind == EDDY_ENTRY_UNKNOWN);
        counts[number]++;
    }
}

/* The smallest buffer and a large one, each at every alignment. */
START_TEST(each_name_comes_once_and_whole) {
    struct place place = place_open(_i);
    static char memory[65536 + 8];
    char name[256];
    for (int i = 0; i < NAMES; i++) {
        name_of(i, name);
        close(create(&place, name, "", 0));
    }
    for (int round = 0; round < 16; round++) {
        char *buffer = memory + round % 8;
        size_t size = round < 8 ? EDDY_SCAN_BYTES_MIN : 65536;
        int counts[NAMES] = {0};
        int fd = openat(place.dir, ".", O_RDONLY | O_DIRECTORY);
        memset(memory, 0x77, sizeof memory);
        for (;;) {
            int64_t used = WAIT(&place, eddy_file_scan, fd, buffer, size);
            ck_assert_int_ge(used, 0);
            ck_assert_int_le(used, (int64_t)size);
            if (used == 0) break;
            count_names(buffer, (size_t)used, counts);
        }
        ck_assert_int_eq(WAIT(&place, eddy_file_scan, fd, buffer, size), 0);
        ck_assert_int_eq(memory[round % 8 + (int)size], 0x77);
        for (int i = 0; i < NAMES; i++) ck_assert_int_eq(counts[i], 1);
        close(fd);
    }
    for (int i = 0; i < NAMES; i++) {
        name_of(i, name);
        erase(&place, name);
    }
    place_close(&place);
}
END_TEST

START_TEST(kinds_and_inodes_are_those_of_the_files) {
    struct place place = place_open(_i);
    char buffer[4096];
    ck_assert_int_eq(WAIT(&place, eddy_file_scan, place.dir, buffer, sizeof buffer), 0);
    int dir = openat(place.dir, ".", O_RDONLY | O_DIRECTORY);
    close(create(&place, "file", "", 0));
    ck_assert_int_eq(mkdirat(place.dir, "directory", 0755), 0);
    ck_assert_int_eq(symlinkat("file", place.dir, "link"), 0);
    ck_assert_int_eq(mkfifoat(place.dir, "other", 0600), 0);
    close(create(&place, "..hidden", "", 0)); /* not one of the two that are left out */
    close(create(&place, ".h", "", 0));
    static const char *const names[] = {"", "file", "directory", "link", "other"};
    int64_t used = WAIT(&place, eddy_file_scan, dir, buffer, sizeof buffer);
    ck_assert_int_gt(used, 0);
    int found = 0;
    eddy_entry entry;
    for (size_t at = 0; eddy_scan_next(buffer, (size_t)used, &at, &entry); found++) {
        struct stat info;
        ck_assert_int_eq(fstatat(place.dir, entry.name, &info, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert_uint_eq(entry.inode, info.st_ino);
        if (entry.name[0] == '.')
            ck_assert_int_ne(entry.kind, EDDY_ENTRY_DIRECTORY);
        else if (entry.kind != EDDY_ENTRY_UNKNOWN)
            ck_assert_str_eq(entry.name, names[entry.kind]);
    }
    ck_assert_int_eq(found, 6);
    ck_assert_int_eq(WAIT(&place, eddy_file_scan, dir, buffer, sizeof buffer), 0);
    close(dir);
    erase(&place, "..hidden");
    erase(&place, ".h");
    erase(&place, "file");
    erase(&place, "link");
    erase(&place, "other");
    ck_assert_int_eq(unlinkat(place.dir, "directory", AT_REMOVEDIR), 0);
    place_close(&place);
}
END_TEST

/* Who looks at the names before the result sees none. */
START_TEST(an_error_has_no_names) {
    struct place place = place_open(_i);
    char buffer[4096];
    eddy_entry entry;
    size_t at = 0;
    memset(buffer, 0, sizeof buffer);
    int fd = create(&place, "a", "x", 1);
    int64_t result = WAIT(&place, eddy_file_scan, fd, buffer, sizeof buffer);
    ck_assert_int_eq(result, -ENOTDIR);
    ck_assert(!eddy_scan_next(buffer, (size_t)result, &at, &entry));
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

START_TEST(only_a_directory_has_names) {
    struct place place = place_open(_i);
    char buffer[1024];
    int fd = create(&place, "file", "", 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_scan, fd, buffer, sizeof buffer), -ENOTDIR);
    close(fd);
    erase(&place, "file");
    place_close(&place);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("scan");
    files_add(suite, "scan", each_name_comes_once_and_whole,
              kinds_and_inodes_are_those_of_the_files, an_error_has_no_names,
              only_a_directory_has_names);
    return suite;
}
