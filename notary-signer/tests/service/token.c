/* A PKCS#11 module that passes everything on to another one, REAL_MODULE. While there is a file in the
 * directory STATE, both set by the compiler's command line:
 *   out        the token is pulled out: its sessions and logins end (PKCS#11 2.40, 5.6)
 *   login      no login succeeds, for a reason of the maker's; each one adds a byte to this file
 *   sessions   each session that is opened adds a byte to this file, and waits for a second one; a login
 *              waits for another one, for a moment
 *   final-try  the token says that one try of the PIN is left
 *   locked     the token says that its PIN is locked
 *   mute       no key signs
 *   other      another token says nothing but errors about itself; ours is in the first slot */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef CK_ULONG CK_RV;

/* CK_FUNCTION_LIST: a version, then the functions in the order of the standard. */
struct functions {
    unsigned char version[2];
    void *at[68];
};
enum {
    GET_SLOT_LIST = 4,
    GET_TOKEN_INFO = 6,
    OPEN_SESSION = 12,
    CLOSE_ALL_SESSIONS = 14,
    GET_SESSION_INFO = 15,
    LOGIN = 18,
    FIND_OBJECTS_INIT = 26,
    SIGN_INIT = 42,
};
enum {
    CKR_DEVICE_ERROR = 0x30,
    CKR_DEVICE_REMOVED = 0x32,
    CKR_KEY_FUNCTION_NOT_PERMITTED = 0x68,
    CKR_TOKEN_NOT_PRESENT = 0xE0,
    CKR_OF_THE_MAKER = 0x80000001,
};

/* CK_TOKEN_INFO begins with four texts of 96 bytes together. */
struct token_info {
    char texts[96];
    CK_ULONG flags;
};
enum { CKF_USER_PIN_FINAL_TRY = 0x20000, CKF_USER_PIN_LOCKED = 0x40000 };

/* No slot of SoftHSM2 has it. */
enum { OTHER_SLOT = 7 };

static struct functions *real, ours;

typedef CK_RV (*get_slot_list)(unsigned char, CK_ULONG *, CK_ULONG *);
typedef CK_RV (*get_token_info)(CK_ULONG, struct token_info *);
typedef CK_RV (*open_session)(CK_ULONG, CK_ULONG, void *, void *, CK_ULONG *);
typedef CK_RV (*close_all_sessions)(CK_ULONG);
typedef CK_RV (*get_session_info)(CK_ULONG, void *);
typedef CK_RV (*login)(CK_ULONG, CK_ULONG, char *, CK_ULONG);
typedef CK_RV (*find_objects_init)(CK_ULONG, void *, CK_ULONG);
typedef CK_RV (*sign_init)(CK_ULONG, void *, CK_ULONG);

static int is_out(void) {
    if (access(STATE "/out", F_OK) != 0)
        return 0;
    CK_ULONG slots[16], count = 16;
    ((get_slot_list)real->at[GET_SLOT_LIST])(1, slots, &count);
    for (CK_ULONG i = 0; i < count; i++)
        ((close_all_sessions)real->at[CLOSE_ALL_SESSIONS])(slots[i]);
    return 1;
}

/* Adds a byte to a file of STATE that is there, and says whether it is. */
static int count(const char *file) {
    int to = open(file, O_WRONLY | O_APPEND);
    if (to < 0)
        return 0;
    int written = write(to, "x", 1) == 1;
    close(to);
    return written;
}

/* Waits, so many hundredths of a second at most, while a file of STATE has one byte. */
static void wait_for_two(const char *file, int turns) {
    struct stat found;
    while (turns-- > 0 && stat(file, &found) == 0 && found.st_size == 1)
        usleep(10000);
}

static CK_RV our_get_slot_list(unsigned char with_token, CK_ULONG *slots, CK_ULONG *count) {
    if (with_token && is_out()) {
        *count = 0;
        return 0;
    }
    CK_ULONG room = *count;
    CK_RV done = ((get_slot_list)real->at[GET_SLOT_LIST])(with_token, slots, count);
    if (done == 0 && access(STATE "/other", F_OK) == 0) {
        if (slots != NULL && *count < room)
            slots[*count] = OTHER_SLOT;
        *count += 1;
    }
    return done;
}

static CK_RV our_get_token_info(CK_ULONG slot, struct token_info *info) {
    if (slot == OTHER_SLOT)
        return CKR_DEVICE_ERROR;
    CK_RV done = ((get_token_info)real->at[GET_TOKEN_INFO])(slot, info);
    if (access(STATE "/final-try", F_OK) == 0)
        info->flags |= CKF_USER_PIN_FINAL_TRY;
    if (access(STATE "/locked", F_OK) == 0)
        info->flags |= CKF_USER_PIN_LOCKED;
    return done;
}

static CK_RV our_open_session(CK_ULONG slot, CK_ULONG flags, void *data, void *notify, CK_ULONG *to) {
    if (is_out())
        return CKR_TOKEN_NOT_PRESENT;
    count(STATE "/sessions");
    wait_for_two(STATE "/sessions", 3000);
    return ((open_session)real->at[OPEN_SESSION])(slot, flags, data, notify, to);
}

static CK_RV our_get_session_info(CK_ULONG session, void *info) {
    if (is_out())
        return CKR_DEVICE_REMOVED;
    return ((get_session_info)real->at[GET_SESSION_INFO])(session, info);
}

static CK_RV our_login(CK_ULONG session, CK_ULONG user, char *pin, CK_ULONG length) {
    if (!count(STATE "/login"))
        return ((login)real->at[LOGIN])(session, user, pin, length);
    if (access(STATE "/sessions", F_OK) == 0)
        wait_for_two(STATE "/login", 50);
    return CKR_OF_THE_MAKER;
}

static CK_RV our_find_objects_init(CK_ULONG session, void *template, CK_ULONG count) {
    if (is_out())
        return CKR_DEVICE_REMOVED;
    return ((find_objects_init)real->at[FIND_OBJECTS_INIT])(session, template, count);
}

static CK_RV our_sign_init(CK_ULONG session, void *mechanism, CK_ULONG key) {
    if (is_out())
        return CKR_DEVICE_REMOVED;
    if (access(STATE "/mute", F_OK) == 0)
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    return ((sign_init)real->at[SIGN_INIT])(session, mechanism, key);
}

CK_RV C_GetFunctionList(struct functions **list) {
    CK_RV (*get)(struct functions **) = dlsym(dlopen(REAL_MODULE, RTLD_NOW), "C_GetFunctionList");
    CK_RV done = get(&real);
    ours = *real;
    ours.at[GET_SLOT_LIST] = our_get_slot_list;
    ours.at[GET_TOKEN_INFO] = our_get_token_info;
    ours.at[OPEN_SESSION] = our_open_session;
    ours.at[GET_SESSION_INFO] = our_get_session_info;
    ours.at[LOGIN] = our_login;
    ours.at[FIND_OBJECTS_INIT] = our_find_objects_init;
    ours.at[SIGN_INIT] = our_sign_init;
    *list = &ours;
    return done;
}
