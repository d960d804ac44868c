/* report_dir.c: see report_dir.h. Threading: one. */
#include "report_dir.h"
#include "raw.h"
#include "report_page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fails(const struct report_dir *report, const char *name, int error) {
    char text[64];
    fprintf(stderr, "eddy: --report: \"%s%s%s\" cannot be written: %s\n", report->path,
            name[0] != '\0' ? "/" : "", name, eddy_strerror(error, text, sizeof text));
    return error;
}

/* --- The directory --- */

static bool is_empty(int fd) {
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = own < 0 ? NULL : fdopendir(own);
    bool found = false;
    if (directory == NULL) {
        if (own >= 0) close(own);
        return false;
    }
    for (struct dirent *it; !found && (it = readdir(directory)) != NULL;)
        found = strcmp(it->d_name, ".") != 0 && strcmp(it->d_name, "..") != 0;
    closedir(directory);
    return !found;
}

static int open_directory(struct report_dir *report) {
    if (mkdir(report->path, 0777) < 0 && errno != EEXIST) return fails(report, "", -errno);
    report->fd = open(report->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (report->fd < 0) return fails(report, "", -errno);
    if (is_empty(report->fd)) return 0;
    fprintf(stderr, "eddy: --report: \"%s\" is not empty; a report wants a directory of its own\n",
            report->path);
    close(report->fd);
    return -ENOTEMPTY;
}

static FILE *open_file(const struct report_dir *report, const char *name, mode_t mode) {
    int fd = openat(report->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL && fd >= 0) close(fd);
    return file;
}

static int close_file(const struct report_dir *report, const char *name, FILE *file, int err) {
    if (err == 0 && fflush(file) != 0) err = -errno; /* once more, as nobody has kept the first */
    if (err == 0 && ferror(file)) err = -EIO;
    if (fclose(file) != 0 && err == 0) err = -errno;
    return err < 0 ? fails(report, name, err) : 0;
}

/* --- rerun.sh --- */

/* What is written where is for whoever runs it again to say, and the seed is told as it was. */
static const char *const left_out[] = {"--report", "--plot", "--trace", "--seed"};

static bool is_left_out(const char *argument, size_t length) {
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strlen(left_out[i]) == length && memcmp(left_out[i], argument, length) == 0)
            return true;
    return false;
}

static void put_quoted(FILE *out, const char *text) {
    fputs(" '", out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

/* The arguments that have been taken are right: an option that wants a value has one. */
static void put_arguments(FILE *out, const struct report_of *of) {
    static const char directory[] = "--directory";
    for (int i = 0; i < of->argc; i++) {
        const char *argument = of->argv[i];
        size_t length = strcspn(argument, "=");
        bool has_value = argument[length] == '=';
        if (is_left_out(argument, length)) {
            if (!has_value) i++;
        } else if (length == strlen(directory) && memcmp(argument, directory, length) == 0) {
            if (!has_value) i++;
            fputs(" --directory \"${DIRECTORY:?is where to have files in}\"", out);
        } else {
            put_quoted(out, argument);
        }
    }
}

static int write_rerun(const struct report_dir *report, const struct report_of *of) {
    FILE *out = open_file(report, "rerun.sh", 0777);
    if (out == NULL) return fails(report, "rerun.sh", -errno);
    int program = (int)strcspn(of->command, " "); /* what follows is the command's own name */
    fprintf(out,
            "#!/bin/sh\n"
            "# rerun.sh [DIR]: measures the same in the same order, and writes a report to DIR.\n"
            "# EDDY is the program (default: %.*s). It was version %s.\n"
            "exec \"${EDDY:-%.*s}\"%s",
            program, of->command, eddy_version(), program, of->command, of->command + program);
    put_arguments(out, of);
    fprintf(out, " --seed %llu --report \"${1:-again}\"\n", (unsigned long long)of->seed);
    return close_file(report, "rerun.sh", out, 0);
}

/* --- The others --- */

static int write_machine(const struct report_dir *report, bool is_over) {
    FILE *out = open_file(report, "machine.json", 0666);
    if (out == NULL) return fails(report, "machine.json", -errno);
    return close_file(report, "machine.json", out, machine_write(out, &report->ticks, is_over));
}

static int begin_raw(struct report_dir *report, const struct report_of *of) {
    struct raw_head head = {.seed = of->seed, .rounds = of->rounds, .sample_ms = of->sample_ms};
    report->raw = open_file(report, "raw.jsonl", 0666);
    if (report->raw == NULL) return fails(report, "raw.jsonl", -errno);
    snprintf(head.command, sizeof head.command, "%s", of->command);
    snprintf(head.eddy, sizeof head.eddy, "%s", eddy_version());
    raw_write_head(report->raw, &head);
    return 0;
}

int report_dir_open(struct report_dir *report, const struct report_of *of) {
    *report = (struct report_dir){.path = of->path, .fd = -1};
    machine_read_ticks(&report->ticks);
    int err = open_directory(report);
    if (err < 0) return err;
    err = write_machine(report, false);
    if (err == 0) err = write_rerun(report, of);
    if (err == 0) err = begin_raw(report, of);
    if (err < 0) close(report->fd);
    return err;
}

void report_dir_keep(void *context, const struct bench_samples *samples,
                     const struct bench_record *record) {
    raw_write_record(((struct report_dir *)context)->raw, samples, record);
}

/* Of what stands in the files, as a merge would: one page, whether the run came to its end or not.
 */
static int write_page(const struct report_dir *report) {
    struct report_source source;
    char error[256];
    int err = report_source_read(&source, report->path, NULL, error, sizeof error);
    if (err < 0) {
        fprintf(stderr, "eddy: --report: %s\n", error);
    } else {
        FILE *out = open_file(report, "report.html", 0666);
        if (out == NULL) err = fails(report, "report.html", -errno);
        if (out != NULL)
            err = close_file(report, "report.html", out, report_page_write(out, &source, 1));
    }
    report_source_free(&source);
    return err;
}

int report_dir_close(struct report_dir *report, const struct bench_samples *samples) {
    raw_write_failures(report->raw, samples);
    int err = close_file(report, "raw.jsonl", report->raw, 0);
    if (err == 0) err = write_machine(report, true);
    if (err == 0) err = write_page(report);
    close(report->fd);
    return err;
}
