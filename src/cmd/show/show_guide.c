/* show_guide.c: see show_guide.h. */
#include "show_guide.h"

#include <eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

/* A request under way, until it is done. */
struct lookup {
    struct show_guide *guide;
    eddy_http_request *request;
    eddy_file file;
    eddy_stat stat;
    int fd;
    char path[PATH_BYTES];
};

int show_guide_open(struct show_guide *guide, eddy_loop *loop, const char *directory) {
    *guide = (struct show_guide){.loop = loop, .directory = -1};
    if (directory == NULL) return 0;
    guide->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return guide->directory < 0 ? -errno : 0;
}

void show_guide_close(struct show_guide *guide) {
    if (guide->directory >= 0) close(guide->directory);
}

static const char *type_of(const char *path) {
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i][0]) == 0) return types[i][1];
    return "text/plain; charset=utf-8";
}

static void not_found(eddy_http_request *request) {
    static const char text[] = "no such page\n";
    (void)eddy_http_respond_lent(request, 404, text, sizeof text - 1);
}

static void on_done(eddy_http_request *request, void *context) {
    struct lookup *lookup = context;
    (void)request;
    if (lookup->fd >= 0) close(lookup->fd);
    free(lookup);
}

static void on_stat(eddy_file *file) {
    struct lookup *lookup = eddy_container_of(file, struct lookup, file);
    if (file->result < 0 || !S_ISREG(lookup->stat.mode)) {
        not_found(lookup->request);
        return;
    }
    (void)eddy_http_add(lookup->request, "Content-Type", type_of(lookup->path));
    (void)eddy_http_respond_file(lookup->request, 200, lookup->fd, 0, lookup->stat.size);
}

static void on_open(eddy_file *file) {
    struct lookup *lookup = eddy_container_of(file, struct lookup, file);
    if (file->result < 0) {
        not_found(lookup->request);
        return;
    }
    lookup->fd = (int)file->result;
    if (eddy_file_fstat(lookup->guide->loop, file, lookup->fd, &lookup->stat, on_stat) < 0)
        eddy_http_abort(lookup->request);
}

void show_guide_answer(eddy_http_request *request, void *context) {
    struct show_guide *guide = context;
    const char *path = eddy_http_path(request) + strlen("/guide");
    size_t length = strlen(path);
    if (*path == '\0') { /* relative links want the slash */
        (void)eddy_http_add(request, "Location", "/guide/");
        (void)eddy_http_respond(request, 301, NULL, 0);
        return;
    }
    if (guide->directory < 0 || length + sizeof "index.html" > PATH_BYTES) {
        not_found(request);
        return;
    }
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        eddy_http_abort(request);
        return;
    }
    lookup->guide = guide;
    lookup->request = request;
    lookup->fd = -1;
    snprintf(lookup->path, sizeof lookup->path, "%s%s", path + 1,
             path[length - 1] == '/' ? "index.html" : "");
    eddy_http_on_done(request, on_done, lookup);
    if (eddy_file_open(guide->loop, &lookup->file, guide->directory, lookup->path,
                       O_RDONLY | O_NONBLOCK, 0, EDDY_BENEATH | EDDY_FILES_ONLY, on_open) < 0)
        eddy_http_abort(request);
}
