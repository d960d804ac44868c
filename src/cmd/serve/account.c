/* account.c: see account.h. */
#include "account.h"

#include "command_line.h"

#include <eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

#define NUMBER_MAX (UINT32_MAX - 1) /* the last one means "no change" to the system's calls */

/* --- Looking it up --- */

static int tell_missing(const char *what, const char *name, int error) {
    char text[64];
    bool is_unknown = error == 0 || error == ENOENT || error == ESRCH;
    system_say("--user: %s \"%s\": %s", what, name,
               is_unknown ? "there is none of that name"
                          : eddy_strerror(-error, text, sizeof text));
    return 1;
}

static int find_user(struct account *account, const char *name, bool *has_group) {
    unsigned number;
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    int error = errno;
    bool is_number = entry == NULL && command_line_number(name, 0, NUMBER_MAX, &number);
    if (is_number) entry = getpwuid((uid_t)number);
    if (entry == NULL && !is_number) return tell_missing("user", name, error);
    *has_group = entry != NULL;
    account->name[0] = '\0';
    account->uid = entry != NULL ? entry->pw_uid : (uid_t)number;
    if (entry == NULL) return 0;
    account->gid = entry->pw_gid;
    if (strlen(entry->pw_name) < sizeof account->name) strcpy(account->name, entry->pw_name);
    return 0;
}

static int find_group(struct account *account, const char *name) {
    unsigned number;
    errno = 0;
    const struct group *entry = getgrnam(name);
    int error = errno;
    if (entry != NULL)
        account->gid = entry->gr_gid;
    else if (command_line_number(name, 0, NUMBER_MAX, &number))
        account->gid = (gid_t)number;
    else
        return tell_missing("group", name, error);
    return 0;
}

int account_find(struct account *account, const char *text) {
    char user[ACCOUNT_NAME_BYTES];
    bool has_group = false;
    size_t length = strcspn(text, ":");
    memcpy(user, text, length);
    user[length] = '\0';
    account->text = text;
    int status = find_user(account, user, &has_group);
    if (status == 0 && text[length] == ':') {
        has_group = true;
        status = find_group(account, text + length + 1);
    }
    if (status != 0) return status;
    if (has_group && account->uid != 0) return 0;
    if (account->uid == 0)
        system_say("--user: \"%s\" is root, which this option is there to give up", user);
    else
        system_say("--user: user %s has no entry, so the group is needed: %s:GROUP", user, user);
    return 1;
}

/* --- Becoming it --- */

static bool is_now(const struct account *account) {
    return getuid() == account->uid && geteuid() == account->uid && getgid() == account->gid &&
           getegid() == account->gid;
}

/* A gid_t, or on macOS an int. */
#define INITGROUPS_TAKES(gid) \
    _Generic(&initgroups, int (*)(const char *, int) : (int)(gid), default : (gid))

/* The groups go first, as only root may choose them, and the user last, for the same reason. */
static int change(const struct account *account) {
    gid_t gid = account->gid;
    int result = account->name[0] != '\0' ? initgroups(account->name, INITGROUPS_TAKES(gid))
                                          : setgroups(1, &gid);
    if (result < 0 || setgid(gid) < 0 || setuid(account->uid) < 0) return -errno;
    return 0;
}

/* A capability, or a saved number, would let whoever takes this process over become root. */
static bool can_go_back(const struct account *account) {
    if (setuid(0) == 0 || seteuid(0) == 0) return true;
    return account->gid != 0 && (setgid(0) == 0 || setegid(0) == 0);
}

int account_become(const struct account *account) {
    char text[64];
    int err = is_now(account) ? 0 : change(account);
    if (err < 0) {
        system_say("cannot become %s: %s%s", account->text, eddy_strerror(err, text, sizeof text),
                   geteuid() != 0 ? "; --user is for a program that root starts" : "");
        return 1;
    }
    if (is_now(account) && !can_go_back(account) && is_now(account)) return 0;
    system_say("cannot become %s: it could be taken back", account->text);
    return 1;
}

void account_make_file(const struct account *account, const char *path) {
    if (geteuid() != 0) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return; /* it is there, or whoever opens it tells why it cannot be */
    (void)!fchown(fd, account->uid, account->gid);
    close(fd);
}
