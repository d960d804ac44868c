/* open.c: opening below a directory: by the kernel where it can, and by the walk that stands in for
 * it elsewhere, which is called here by itself. Neither may ever lead out. */
#include "files.h"

#include "os.h"

#include <signal.h>

static int way_beneath(int dir, const char *path, int flags, unsigned mode) {
    return eddy_os_file_open(dir, path, flags, mode, EDDY_BENEATH);
}

static int way_cached(int dir, const char *path, int flags, unsigned mode) {
    int fd = eddy_os_file_open(dir, path, flags, mode, EDDY_BENEATH | EDDY_OS_NOWAIT);
    return fd == -EAGAIN ? way_beneath(dir, path, flags, mode) : fd;
}

typedef int open_way(int dir, const char *path, int flags, unsigned mode);
static open_way *const ways[] = {way_beneath, way_cached, eddy_os_file_open_walk};
enum { WAYS = 3, WALK = 2 };

struct tree {
    char outer[64], inner[80];
    int dir;
    ino_t file; /* d/e/f */
};

static void touch(int dir, const char *name) {
    int fd = openat(dir, name, O_CREAT | O_WRONLY, 0644);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* outer/secret; outer/in/d/e/f; in inner: links in, out and up. */
static struct tree tree_open(void) {
    struct tree it = {.outer = "/tmp/eddy-test-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(it.outer));
    snprintf(it.inner, sizeof it.inner, "%s/in", it.outer);
    ck_assert_int_eq(mkdir(it.inner, 0755), 0);
    it.dir = open(it.inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(it.dir, 0);
    touch(it.dir, "../secret");
    ck_assert_int_eq(mkdirat(it.dir, "d", 0755), 0);
    ck_assert_int_eq(mkdirat(it.dir, "d/e", 0755), 0);
    touch(it.dir, "d/e/f");
    ck_assert_int_eq(symlinkat("d/e", it.dir, "link_in"), 0);
    ck_assert_int_eq(symlinkat("/etc", it.dir, "link_out"), 0);
    ck_assert_int_eq(symlinkat("..", it.dir, "link_up"), 0);
    ck_assert_int_eq(symlinkat("../secret", it.dir, "link_secret"), 0);
    struct stat info;
    ck_assert_int_eq(fstatat(it.dir, "d/e/f", &info, 0), 0);
    it.file = info.st_ino;
    return it;
}

static void tree_close(struct tree *it) {
    static const char *const files[] = {"d/e/f",   "link_in",     "link_out",
                                        "link_up", "link_secret", "../secret"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        ck_assert_int_eq(unlinkat(it->dir, files[i], 0), 0);
    ck_assert_int_eq(unlinkat(it->dir, "d/e", AT_REMOVEDIR), 0);
    ck_assert_int_eq(unlinkat(it->dir, "d", AT_REMOVEDIR), 0);
    close(it->dir);
    ck_assert_int_eq(rmdir(it->inner), 0);
    ck_assert_int_eq(rmdir(it->outer), 0);
}

/* Whether links that stay inside are followed. */
static bool has_openat2(void) {
    struct tree tree = tree_open();
    int fd = way_beneath(tree.dir, "link_in/f", O_RDONLY, 0);
    if (fd >= 0) close(fd);
    tree_close(&tree);
    return fd >= 0;
}

enum { FOUND = 0 };

START_TEST(no_spelling_of_a_path_leads_out) {
    static const struct {
        const char *path;
        int flags, kernel, walk;
    } cases[] = {
        {"d/e/f", 0, FOUND, FOUND},
        {"./d//e/./f", 0, FOUND, FOUND},
        {"d/../d/e/../e/f", 0, FOUND, FOUND},
        {"d/e/..", 0, FOUND, FOUND},
        {"d/..", 0, FOUND, FOUND},
        {".", 0, FOUND, FOUND},
        {"d/", 0, FOUND, FOUND},
        {"", 0, -ENOENT, -ENOENT},
        {"none/../d", 0, -ENOENT, -ENOENT},
        {"d/e/f/", 0, -ENOTDIR, -ENOTDIR},
        {"d/e/f/.", 0, -ENOTDIR, -ENOTDIR},
        {"d/e/f/..", 0, -ENOTDIR, -ENOTDIR},
        {"..", 0, -EXDEV, -EXDEV},
        {"../in/d/e/f", 0, -EXDEV, -EXDEV},
        {"d/../../secret", 0, -EXDEV, -EXDEV},
        {"d/e/../../../in", 0, -EXDEV, -EXDEV},
        {"/", 0, -EXDEV, -EXDEV},
        {"/etc/passwd", 0, -EXDEV, -EXDEV},
        {"//etc/passwd", 0, -EXDEV, -EXDEV},
        {"link_in/f", 0, FOUND, -ELOOP},
        {"link_in", O_DIRECTORY, FOUND, -ELOOP},
        {"link_in", O_NOFOLLOW, -ELOOP, -ELOOP},
        {"link_out", 0, -EXDEV, -ELOOP},
        {"link_out/passwd", 0, -EXDEV, -ELOOP},
        {"link_up", 0, -EXDEV, -ELOOP},
        {"link_up/secret", 0, -EXDEV, -ELOOP},
        {"link_up/in/d", 0, -EXDEV, -ELOOP},
        {"link_secret", 0, -EXDEV, -ELOOP},
        {"link_secret", O_CREAT, -EXDEV, -ELOOP},
        {"link_secret", O_CREAT | O_EXCL, -EEXIST, -EEXIST},
        {"d/new/", O_CREAT, -EISDIR, -EISDIR},
#ifdef O_PATH
        {"link_secret", O_PATH, -EXDEV, -ELOOP},
        {"link_secret", O_PATH | O_NOFOLLOW, FOUND, FOUND},
        {"d/e/f", O_PATH, FOUND, FOUND},
#endif
    };
    struct tree tree = tree_open();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int way = 0; way < WAYS; way++) {
            int fd = ways[way](tree.dir, cases[i].path, cases[i].flags, 0644);
            int want = way == WALK ? cases[i].walk : cases[i].kernel;
            /* A system without openat2 walks in any case. */
            bool right = fd >= 0 ? want == FOUND : fd == want || fd == cases[i].walk;
            ck_assert_msg(right, "way %d, \"%s\": %d", way, cases[i].path, fd);
            if (fd < 0) continue;
            ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            close(fd);
        }
    }
    tree_close(&tree);
}
END_TEST

START_TEST(names_and_depths_have_an_end) {
    struct tree tree = tree_open();
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    for (int way = 0; way < WAYS; way++)
        ck_assert_int_eq(ways[way](tree.dir, name, 0, 0), -ENAMETOOLONG);
    /* Down and up again costs no depth. */
    char path[4000] = "";
    for (int i = 0; i < 300; i++) strcat(path, "d/e/../../");
    strcat(path, "d/e/f");
    int before = descriptors_open(200);
    for (int way = 0; way < WAYS; way++) {
        int fd = ways[way](tree.dir, path, 0, 0);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    ck_assert_int_eq(descriptors_open(200), before);
    tree_close(&tree);
}
END_TEST

/* The walk holds a descriptor for each step down; it says so when it has no more, and keeps none.
 */
START_TEST(a_path_may_be_deeper_than_the_walk_goes) {
    enum { DEEP = 100 };
    struct tree tree = tree_open();
    char path[2 * DEEP + 2] = "";
    for (int i = 0; i < DEEP; i++) {
        strcat(path, i == 0 ? "n" : "/n");
        ck_assert_int_eq(mkdirat(tree.dir, path, 0755), 0);
    }
    int before = descriptors_open(200);
    for (int way = 0; way < WAYS; way++) {
        int fd = ways[way](tree.dir, path, O_RDONLY | O_DIRECTORY, 0);
        ck_assert(fd >= 0 || fd == -ENAMETOOLONG);
        ck_assert(fd < 0 || way != WALK);
        if (fd >= 0) close(fd);
    }
    ck_assert_int_eq(descriptors_open(200), before);
    for (int i = 0; i < DEEP; i++) {
        ck_assert_int_eq(unlinkat(tree.dir, path, AT_REMOVEDIR), 0);
        if (i < DEEP - 1) *strrchr(path, '/') = '\0';
    }
    tree_close(&tree);
}
END_TEST

#ifdef F_SETLEASE
/* A leased file that is opened for writing and must not be waited for: its own EAGAIN, also behind
 * a link. The lease is broken in the end, as its owner does nothing about it. */
START_TEST(a_leased_file_is_busy_whatever_the_path) {
    static const char *const paths[] = {"d/e/f", "link_in/f", "d/e/../../link_in/f"};
    struct tree tree = tree_open();
    int owner = openat(tree.dir, "d/e/f", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(owner, 0);
    signal(SIGIO, SIG_IGN);
    bool is_leased = fcntl(owner, F_SETLEASE, F_RDLCK) == 0;
    for (size_t i = 0; is_leased && i < sizeof paths / sizeof paths[0]; i++) {
        for (int way = 0; way < WALK; way++) {
            int fd = ways[way](tree.dir, paths[i], O_WRONLY | O_NONBLOCK, 0);
            ck_assert_msg(fd == -EAGAIN || (fd == -ELOOP && !has_openat2()), "%s: %d", paths[i],
                          fd);
        }
    }
    close(owner);
    tree_close(&tree);
}
END_TEST
#endif

#ifdef O_NOATIME
/* EPERM of the file itself, for who does not own it. */
START_TEST(a_file_of_others_is_not_permitted_whatever_the_path) {
    struct tree tree = tree_open();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) == 0) {
            int fd = ways[0](tree.dir, "d/e/f", O_RDONLY | O_NOATIME, 0);
            child_assert(fd == -EPERM);
            fd = ways[0](tree.dir, "link_in/f", O_RDONLY | O_NOATIME, 0);
            child_assert(fd == -EPERM || (fd == -ELOOP && !has_openat2()));
        }
        _exit(0);
    }
    child_is_content(child);
    tree_close(&tree);
}
END_TEST
#endif

#ifdef O_TMPFILE
/* A file without a name, where the file system has such: with its mode, whichever way. */
START_TEST(a_file_without_a_name_is_created_beneath) {
    struct tree tree = tree_open();
    struct stat info;
    int plain = openat(tree.dir, "d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    for (int way = 0; plain >= 0 && way < WAYS; way++) {
        int fd = ways[way](tree.dir, "d/e/..", O_TMPFILE | O_RDWR, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &info), 0);
        ck_assert_uint_eq(info.st_mode & 07777, 0600);
        ck_assert_uint_eq(info.st_nlink, 0);
        close(fd);
    }
    if (plain >= 0) close(plain);
    tree_close(&tree);
}
END_TEST
#endif

START_TEST(a_file_is_created_beneath) {
    struct tree tree = tree_open();
    for (int way = 0; way < WAYS; way++) {
        int fd = ways[way](tree.dir, "d/e/../new", O_CREAT | O_EXCL | O_WRONLY, 0640);
        ck_assert_int_ge(fd, 0);
        struct stat info;
        ck_assert_int_eq(fstat(fd, &info), 0);
        ck_assert_uint_eq(info.st_mode & 0777 & ~0640u, 0);
        close(fd);
        ck_assert_int_eq(unlinkat(tree.dir, "d/new", 0), 0);
    }
    tree_close(&tree);
}
END_TEST

/* Random paths without links: kernel and walk agree on each, to the inode and to the errno. */
START_TEST(the_walk_agrees_with_the_kernel) {
    static const char *const parts[] = {"d", "e", "f", "..", ".", "", "none", "d", "..", "e"};
    struct tree tree = tree_open();
    unsigned long long seed = 11;
    for (int i = repeats(20000); i > 0; i--) {
        char path[80] = "";
        for (unsigned n = 1 + random_below(&seed, 7); n > 0; n--) {
            strcat(path, parts[random_below(&seed, 10)]);
            if (n > 1 || random_below(&seed, 4) == 0) strcat(path, "/");
        }
        struct stat info[2];
        int fds[2] = {way_beneath(tree.dir, path, O_RDONLY, 0),
                      eddy_os_file_open_walk(tree.dir, path, O_RDONLY, 0)};
        ck_assert_msg((fds[0] < 0) == (fds[1] < 0) && (fds[0] >= 0 || fds[0] == fds[1]),
                      "\"%s\": kernel %d, walk %d", path, fds[0], fds[1]);
        if (fds[0] < 0) continue;
        for (int k = 0; k < 2; k++) ck_assert_int_eq(fstat(fds[k], &info[k]), 0);
        ck_assert_uint_eq(info[0].st_ino, info[1].st_ino);
        for (int k = 0; k < 2; k++) close(fds[k]);
    }
    tree_close(&tree);
}
END_TEST

static atomic_bool has_reader;

static void *wait_for_reader(void *argument) {
    int fd = open(argument, O_WRONLY);
    atomic_store(&has_reader, true);
    close(fd);
    return NULL;
}

/* Only looked at, a FIFO lets no writer go on; what the caller can open is opened as ever. */
START_TEST(nothing_but_files_is_opened_where_only_files_are_wanted) {
    struct tree tree = tree_open();
    char path[120];
    pthread_t writer;
    static const unsigned hows[] = {EDDY_FILES_ONLY, EDDY_FILES_ONLY | EDDY_BENEATH};
    static const char *const others[] = {"fifo", "d/../fifo", "d/socket"};
    snprintf(path, sizeof path, "%s/fifo", tree.inner);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(mknodat(tree.dir, "d/socket", S_IFSOCK | 0600, 0), 0);
    ck_assert_int_eq(pthread_create(&writer, NULL, wait_for_reader, path), 0);
    for (int i = 0; i < 40; i++) { /* it may take a while to get to its open */
        unsigned how = hows[i % 2];
        for (size_t k = 0; k < 3; k++)
            ck_assert_int_eq(eddy_os_file_open(tree.dir, others[k], O_RDONLY | O_NONBLOCK, 0, how),
                             -ENXIO);
        int fd = eddy_os_file_open(tree.dir, "d/e/f", O_RDWR, 0, how);
        ck_assert_int_ge(fd, 0);
        close(fd);
        fd = eddy_os_file_open(tree.dir, "d", O_RDONLY | O_DIRECTORY, 0, how);
        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(eddy_os_file_open(tree.dir, "none", O_RDONLY, 0, how), -ENOENT);
        int err = eddy_os_file_open(tree.dir, "link_in", O_RDONLY | O_NOFOLLOW, 0, how);
        ck_assert_int_eq(err, -ELOOP);
        sleep_ns(EDDY_NS_PER_MS);
        ck_assert(!atomic_load(&has_reader));
    }
    int reader = open(path, O_RDONLY);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    close(reader);
    ck_assert_int_eq(unlinkat(tree.dir, "fifo", 0), 0);
    ck_assert_int_eq(unlinkat(tree.dir, "d/socket", 0), 0);
    tree_close(&tree);
}
END_TEST

/* A neighbour moves a directory out of the tree and back while paths through it are opened. */
static atomic_bool storm_over;

static void *storm(void *argument) {
    struct tree *tree = argument;
    while (!atomic_load(&storm_over)) {
        renameat(tree->dir, "d/e", tree->dir, "../e");
        renameat(tree->dir, "../e", tree->dir, "d/e");
    }
    return NULL;
}

START_TEST(a_rename_storm_leads_nobody_out) {
    struct tree tree = tree_open();
    struct stat secret;
    ck_assert_int_eq(fstatat(tree.dir, "../secret", &secret, 0), 0);
    pthread_t thread;
    storm_over = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, storm, &tree), 0);
    int found = 0;
    for (int i = repeats(6000); i > 0; i--) {
        for (int way = 0; way < WAYS; way++) {
            int fd = ways[way](tree.dir, "d/e/../secret", O_RDONLY, 0);
            if (fd >= 0) close(fd);
            ck_assert_msg(fd < 0, "way %d led out", way);
            fd = ways[way](tree.dir, "d/e/../e/f", O_RDONLY, 0);
            ck_assert(fd >= 0 || fd == -ENOENT || fd == -EXDEV || fd == -EAGAIN);
            found += fd >= 0;
            if (fd >= 0) close(fd);
        }
    }
    storm_over = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_gt(found, 0);
    tree_close(&tree);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("open");
    ck_add(suite, "files", nothing_but_files_is_opened_where_only_files_are_wanted);
    ck_add(suite, "beneath", no_spelling_of_a_path_leads_out, names_and_depths_have_an_end,
           a_file_is_created_beneath, the_walk_agrees_with_the_kernel,
           a_rename_storm_leads_nobody_out, a_path_may_be_deeper_than_the_walk_goes);
#ifdef F_SETLEASE
    ck_add(suite, "leased", a_leased_file_is_busy_whatever_the_path);
#endif
#ifdef O_NOATIME
    ck_add(suite, "others", a_file_of_others_is_not_permitted_whatever_the_path);
#endif
#ifdef O_TMPFILE
    ck_add(suite, "nameless", a_file_without_a_name_is_created_beneath);
#endif
    return suite;
}
