/* account.h: the user that a program goes on as, once it has what only root may have.
 * Threading: the main thread's, before there are others. */
#ifndef EDDY_CMD_SERVE_ACCOUNT_H
#define EDDY_CMD_SERVE_ACCOUNT_H

#include <sys/types.h>

enum { ACCOUNT_NAME_BYTES = 256 };

struct account {
    const char *text; /* as it was given; must stay */
    uid_t uid;
    gid_t gid;
    char name[ACCOUNT_NAME_BYTES]; /* whose further groups it has; "": none, as it has no name */
};

/* Looks up USER or USER:GROUP, each a name or a number. Returns the exit status: 0, or what is
 * wrong has been said: there is none of that name, or it is root. */
int account_find(struct account *account, const char *text);

/* Becomes it, for good: groups, group and user, and that none of it can be taken back. Nothing, if
 * the program runs as it already. Returns the exit status, as account_find; after an error the
 * program is to end, as it may be anybody. */
int account_become(const struct account *account);

/* Makes a file that belongs to it, if it is not there yet, and if we are root. */
void account_make_file(const struct account *account, const char *path);

#endif
