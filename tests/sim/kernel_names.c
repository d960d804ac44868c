/* kernel_names.c: paths and names behave in the simulation as they do in life. */
#include "kernel_files.h"

/* --- A script of names --- */

enum operation { OPEN, BENEATH, WALK, STAT, LSTAT, MKDIR, RMDIR, UNLINK, RENAME, LINK };

struct step {
    enum operation operation;
    const char *path, *other; /* of RENAME and LINK */
    int flags;
    int expected; /* positive errno */
};

enum { CREATE = O_WRONLY | O_CREAT, READ = O_RDONLY, MAKE_ONLY = O_WRONLY | O_CREAT | O_EXCL };

static int open_step(const struct step *step) {
    int fd;
    if (step->operation == WALK)
        fd = eddy_os_file_open_walk(EDDY_CWD, step->path, step->flags, 0666);
    else
        fd = eddy_os_file_open(EDDY_CWD, step->path, step->flags, 0666,
                               step->operation == BENEATH ? EDDY_BENEATH : 0);
    return fd < 0 ? fd : eddy_os_close(fd);
}

static int do_step(const struct step *step) {
    eddy_stat stat;
    switch (step->operation) {
    case OPEN:
    case BENEATH:
    case WALK:
        return open_step(step);
    case STAT:
    case LSTAT:
        return eddy_os_file_stat(EDDY_CWD, step->path, step->operation == STAT, &stat);
    case MKDIR:
        return eddy_os_file_mkdir(EDDY_CWD, step->path, 0777);
    case RMDIR:
    case UNLINK:
        return eddy_os_file_unlink(EDDY_CWD, step->path, step->operation == RMDIR);
    case RENAME:
        return eddy_os_file_rename(EDDY_CWD, step->path, EDDY_CWD, step->other);
    case LINK:
        make_link(step->path, step->other);
        return 0;
    }
    return 0;
}

static void run_steps(const struct step *steps, size_t count) {
    begin();
    for (size_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];
        int result = do_step(step);
        ck_assert_msg(result == -step->expected, "step %zu, %s %s: %d (%s) instead of %d (%s)", i,
                      step->path, step->other != NULL ? step->other : "", result, strerror(-result),
                      -step->expected, strerror(step->expected));
    }
    end();
}

/* Opening: what is made, what is refused, and how a path is followed. */
START_TEST(a_path_leads_where_it_does_on_a_real_system) {
    static const struct step steps[] = {
        {OPEN, "", NULL, READ, ENOENT},
        {OPEN, "none", NULL, READ, ENOENT},
        {OPEN, "file", NULL, CREATE, 0},
        {OPEN, "file", NULL, READ, 0},
        {OPEN, "file", NULL, MAKE_ONLY, EEXIST},
        {OPEN, "file/", NULL, READ, ENOTDIR},
        {OPEN, "file/x", NULL, READ, ENOTDIR},
        {OPEN, "file/..", NULL, READ, ENOTDIR},
        {OPEN, "file", NULL, READ | O_DIRECTORY, ENOTDIR},
        {OPEN, "none/x", NULL, CREATE, ENOENT},
        {OPEN, "none/", NULL, CREATE, EISDIR},
        {OPEN, "file/", NULL, CREATE, EISDIR},
        {MKDIR, "d", NULL, 0, 0},
        {MKDIR, "d/e/", NULL, 0, 0},
        {OPEN, "d", NULL, READ, 0},
        {OPEN, "d", NULL, O_WRONLY, EISDIR},
        {OPEN, "d", NULL, O_RDWR, EISDIR},
        {OPEN, "d", NULL, CREATE, EISDIR},
        {OPEN, "d", NULL, READ | O_CREAT, EISDIR},
        {OPEN, "d", NULL, MAKE_ONLY, EEXIST},
        {OPEN, "d", NULL, READ | O_TRUNC, EISDIR},
        {OPEN, ".", NULL, CREATE, EISDIR},
        {OPEN, ".", NULL, MAKE_ONLY, EEXIST},
        {OPEN, ".", NULL, READ | O_DIRECTORY, 0},
        {OPEN, "d//e/.././e//", NULL, READ, 0},
        {OPEN, "d/none/../e", NULL, READ, ENOENT},
        {LINK, "to_file", "file", 0, 0},
        {LINK, "to_d", "d", 0, 0},
        {LINK, "d/up", "../file", 0, 0},
        {LINK, "to_none", "d/made", 0, 0},
        {LINK, "ring", "gnir", 0, 0},
        {LINK, "gnir", "./ring", 0, 0},
        {LINK, "slashed", "file/", 0, 0},
        {OPEN, "to_file", NULL, READ, 0},
        {OPEN, "to_file", NULL, READ | O_NOFOLLOW, ELOOP},
        {OPEN, "to_file", NULL, READ | O_NOFOLLOW | O_DIRECTORY, ENOTDIR},
        {OPEN, "to_file", NULL, MAKE_ONLY, EEXIST},
        {OPEN, "to_d/e", NULL, READ | O_NOFOLLOW, 0},
        {OPEN, "to_d/", NULL, READ | O_NOFOLLOW, 0},
        {OPEN, "to_d/up", NULL, READ, 0},
        {OPEN, "to_d/../file", NULL, READ, 0},
        {OPEN, "slashed", NULL, READ, ENOTDIR},
        {OPEN, "ring", NULL, READ, ELOOP},
        {OPEN, "ring/x", NULL, READ, ELOOP},
        {OPEN, "to_none", NULL, READ, ENOENT},
        {OPEN, "to_none", NULL, MAKE_ONLY, EEXIST},
        {OPEN, "to_none", NULL, CREATE, 0},
        {OPEN, "d/made", NULL, READ, 0},
        {OPEN, "to_file/", NULL, READ, ENOTDIR},
        {STAT, "ring", NULL, 0, ELOOP},
        {LSTAT, "ring", NULL, 0, 0},
        {LSTAT, "ring/", NULL, 0, ELOOP},
        {STAT, "file/", NULL, 0, ENOTDIR},
        {STAT, "to_d/", NULL, 0, 0},
        {STAT, "none", NULL, 0, ENOENT},
        {STAT, "none/", NULL, 0, ENOENT},
    };
    run_steps(steps, sizeof steps / sizeof steps[0]);
}
END_TEST

/* A path that must stay beneath its directory, or follow no link at all. */
START_TEST(a_path_beneath_does_not_lead_out) {
    static const struct step steps[] = {
        {MKDIR, "d", NULL, 0, 0},
        {MKDIR, "d/e", NULL, 0, 0},
        {OPEN, "d/file", NULL, CREATE, 0},
        {LINK, "d/in", "e/../file", 0, 0},
        {LINK, "d/out", "../../x", 0, 0},
        {LINK, "d/root", "/", 0, 0},
        {LINK, "d/back", "..", 0, 0},
        {BENEATH, "d/file", NULL, READ, 0},
        {BENEATH, "d/in", NULL, READ, 0},
        {BENEATH, "d/e/../..", NULL, READ, 0},
        {BENEATH, "d/../d/file", NULL, READ, 0},
        {BENEATH, "d/back", NULL, READ, 0},
        {BENEATH, "d/out", NULL, READ, EXDEV},
        {BENEATH, "d/root", NULL, READ, EXDEV},
        {BENEATH, "d/root", NULL, READ | O_NOFOLLOW, ELOOP},
        {BENEATH, "..", NULL, READ, EXDEV},
        {BENEATH, "d/../../d", NULL, READ, EXDEV},
        {BENEATH, "/", NULL, READ, EXDEV},
        {BENEATH, "none/..", NULL, READ, ENOENT},
        {BENEATH, "d/new", NULL, CREATE, 0},
        {BENEATH, "", NULL, READ, ENOENT},
        {WALK, "d/file", NULL, READ, 0},
        {WALK, "d/in", NULL, READ, ELOOP},
        {WALK, "d/back/d", NULL, READ, ELOOP},
        {WALK, "d/e/../file", NULL, READ, 0},
        {WALK, "d/e/../..", NULL, READ, 0},
        {WALK, "..", NULL, READ, EXDEV},
        {WALK, "d/../..", NULL, READ, EXDEV},
        {WALK, "/d", NULL, READ, EXDEV},
        {WALK, "d/file/x", NULL, READ, ENOTDIR},
        {WALK, "d/none", NULL, READ, ENOENT},
        {WALK, "d/made", NULL, CREATE, 0},
        {WALK, "d/in", NULL, MAKE_ONLY, EEXIST},
        {WALK, "", NULL, READ, ENOENT},
        {WALK, "d/", NULL, READ, 0},
        {WALK, "d/file/", NULL, READ, ENOTDIR},
        {WALK, "d/more/", NULL, CREATE, EISDIR},
    };
    run_steps(steps, sizeof steps / sizeof steps[0]);
}
END_TEST

/* Names come and go. */
START_TEST(names_are_made_moved_and_removed_as_on_a_real_system) {
    static const struct step steps[] = {
        {MKDIR, "d", NULL, 0, 0},
        {MKDIR, "d", NULL, 0, EEXIST},
        {MKDIR, ".", NULL, 0, EEXIST},
        {MKDIR, "d/..", NULL, 0, EEXIST},
        {MKDIR, "none/x", NULL, 0, ENOENT},
        {MKDIR, "d/e", NULL, 0, 0},
        {OPEN, "file", NULL, CREATE, 0},
        {OPEN, "other", NULL, CREATE, 0},
        {MKDIR, "file", NULL, 0, EEXIST},
        {MKDIR, "file/x", NULL, 0, ENOTDIR},
        {LINK, "to_none", "none", 0, 0},
        {LINK, "to_d", "d", 0, 0},
        {MKDIR, "to_none", NULL, 0, EEXIST},
        {UNLINK, "d", NULL, 0, EISDIR},
        {UNLINK, ".", NULL, 0, EISDIR},
        {UNLINK, "file/", NULL, 0, ENOTDIR},
        {UNLINK, "none", NULL, 0, ENOENT},
        {UNLINK, "none/", NULL, 0, ENOENT},
        {UNLINK, "to_d/", NULL, 0, ENOTDIR},
        {RMDIR, "d", NULL, 0, ENOTEMPTY},
        {RMDIR, "d/.", NULL, 0, EINVAL},
        {RMDIR, "d/..", NULL, 0, ENOTEMPTY},
        {RMDIR, "file", NULL, 0, ENOTDIR},
        {RMDIR, "to_d", NULL, 0, ENOTDIR},
        {RMDIR, "to_d/", NULL, 0, ENOTDIR},
        {RMDIR, "none", NULL, 0, ENOENT},
        {RENAME, "none", "x", 0, ENOENT},
        {RENAME, "file", "none/x", 0, ENOENT},
        {RENAME, "file", "other/x", 0, ENOTDIR},
        {RENAME, "file", "file", 0, 0},
        {RENAME, "file", "other", 0, 0},
        {STAT, "file", NULL, 0, ENOENT},
        {RENAME, "other", "file/", 0, ENOTDIR},
        {RENAME, "other", "file", 0, 0},
        {RENAME, "file", "d", 0, EISDIR},
        {RENAME, "d", "file", 0, ENOTDIR},
        {RENAME, "d", "d/e/f", 0, EINVAL},
        {RENAME, "d", "d", 0, 0},
        {RENAME, "d", ".", 0, EBUSY},
        {RENAME, "d/..", "x", 0, EBUSY},
        {RENAME, "d/e", "d", 0, ENOTEMPTY},
        {MKDIR, "empty", NULL, 0, 0},
        {RENAME, "d", "empty/", 0, 0},
        {STAT, "empty/e", NULL, 0, 0},
        {STAT, "d", NULL, 0, ENOENT},
        {MKDIR, "d", NULL, 0, 0},
        {RENAME, "d", "empty", 0, ENOTEMPTY},
        {RENAME, "to_none", "link", 0, 0},
        {LSTAT, "link", NULL, 0, 0},
        {STAT, "link", NULL, 0, ENOENT},
        {RENAME, "link", "file", 0, 0},
        {UNLINK, "file", NULL, 0, 0},
        {RENAME, "empty/e", "e", 0, 0},
        {RMDIR, "empty", NULL, 0, 0},
        {RMDIR, "e/", NULL, 0, 0},
        {RMDIR, "d", NULL, 0, 0},
    };
    run_steps(steps, sizeof steps / sizeof steps[0]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel_names");
    ck_add(suite, "names", a_path_leads_where_it_does_on_a_real_system,
           a_path_beneath_does_not_lead_out, names_are_made_moved_and_removed_as_on_a_real_system);
    return suite;
}
