/*
 * attacker.h - what an attack is: so many connections, each of which follows a plan again and again. attacks.c has the
 * table of them, attacker.c carries them out.
 */
#ifndef TC_TESTS_ABUSE_ATTACKER_H
#define TC_TESTS_ABUSE_ATTACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREVER UINT64_MAX

typedef enum { READ_ALL, READ_SLOWLY, READ_NOTHING } reading_t;
typedef enum {
    WAIT,  /* until the server closes */
    HALF,  /* the same, after FIN */
    LEAVE, /* close */
    RESET  /* close with a reset */
} ending_t;

/* What one connection does: sends `parts`, then ends. */
typedef struct {
    struct {
        const char *data;
        size_t len;
        uint64_t total; /* bytes to send of it: over and over */
    } parts[3];
    size_t pace; /* bytes of one send; 0: as many as go */
    unsigned pace_ms;
    uint64_t before_pace; /* so many bytes are sent 64 KiB at a time */
    reading_t reading;
    ending_t ending;
    uint64_t sends_at_most;  /* then it ends */
    uint64_t reads_at_least; /* before it ends */
    char *owned;             /* freed with it */
} plan_t;

typedef struct {
    const char *name;
    int connections;
    double seconds;   /* times as long as others; 0: as long */
    const char *head; /* "%llu" in it stands for the bytes of all that follows */
    const char *filler;
    uint64_t times; /* of the filler; 0: one, if there is one */
    const char *tail;
    size_t pace;
    unsigned pace_ms;
    uint64_t before_pace;
    reading_t reading;
    ending_t ending;
    void (*make)(plan_t *plan, uint64_t n); /* changes the plan of the nth connection */
    bool gathers;                           /* goes on until all connections are open and answered at once … */
    const char *answers;                    /* … or until one of these has come: "431 400"; 10 s more at most */
    enum { PLAIN, PROXIED, TLS } port;      /* which of the victim's it goes to */
} attack_t;

extern const attack_t attacks[];
extern const size_t attack_count;

/* A generator of its own, so that a seed tells everything. */
void random_seed(uint64_t seed);
uint64_t random_below(uint64_t limit);
/* Seeds for mutation: every file of a folder, without its first two bytes, which are the fuzzer's. */
void load_corpus(const char *folder);

#endif
