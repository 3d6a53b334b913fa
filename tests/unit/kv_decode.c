/*
 * KV events as engines publish them: bytes in, events out. The long examples are those of the
 * engines' own encoders (vLLM before and after its change of form, SGLang); the short ones are made
 * by hand, one for each way to be wrong.
 */
#include "routing/kv_decode.h"

#include "gateway/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIME "93cb41daa8dbe0359fe7"
/* The array form of a stored page of one token, from its place after the hashes on. */
#define PAGE1 "c0910101"

struct example {
    const char *why, *hex, *want;
};

static size_t from_hex(const char *hex, char *ret)
{
    size_t count = 0;

    for (; hex[0] && hex[1]; hex += 2)
        ret[count++] = (char)strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
    return count;
}

static void print_event(void *user, const struct kv_event *event)
{
    static const char *const types[] = { "stored", "removed", "cleared" };
    struct buf *out = user;

    buf_printf(out, "%s tier%d rank%u group%u", types[event->type], (int)event->tier, event->rank,
               event->group);
    for (size_t i = 0; i < event->hash_count; i++)
        buf_printf(out, " %llx", (unsigned long long)event->hashes[i]);
    if (event->type == KV_EVENT_STORED) {
        buf_printf(out, " of %u:", event->page_tokens);
        for (size_t i = 0; i < event->token_count; i++)
            buf_printf(out, "%s%u", i ? "," : "", event->tokens[i]);
        if (event->has_parent)
            buf_printf(out, " after %llx", (unsigned long long)event->parent);
        if (event->first_foreign < event->hash_count)
            buf_printf(out, " foreign%zu", event->first_foreign);
    }
    if (event->lora.len)
        buf_printf(out, " lora=%.*s", SLICE_ARGS(event->lora));
    if (event->salt.len)
        buf_printf(out, " salt=%.*s", SLICE_ARGS(event->salt));
    buf_printf(out, "; ");
}

static void decode_into(struct slice payload, struct buf *out)
{
    struct kv_decoder decoder;
    struct kv_tally tally = { 0 };

    kv_decoder_init(&decoder);
    if (!kv_decode(&decoder, payload, print_event, out, &tally))
        buf_printf(out, "no batch; ");
    if (tally.unknown)
        buf_printf(out, "unknown %d; ", (int)tally.unknown);
    if (tally.ignored)
        buf_printf(out, "ignored %d; ", (int)tally.ignored);
    if (tally.malformed)
        buf_printf(out, "malformed %d; ", (int)tally.malformed);
    kv_decoder_release(&decoder);
}

#define TOKENS16 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"
#define TOKENS32 TOKENS16 ",17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32"
#define HEX32    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define STORED32 "stored tier0 rank0 group0 7b0bf7bf7fd01682 b368b33d87bf3bf of 16:" TOKENS32 "; "

static const struct example examples[] = {
    { "vLLM from 0.24 on",
      TIME
      "918ba474797065ab426c6f636b53746f726564ac626c6f636b5f68617368657392cf7b0bf7bf7fd01682cf0b"
      "368b33d87bf3bfb1706172656e745f626c6f636b5f68617368c0a9746f6b656e5f696473dc0020" HEX32
      "aa626c6f636b5f73697a6510a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f6e616d65c0aa65"
      "787472615f6b65797392c0c0a967726f75705f69647800b26b765f63616368655f737065635f6b696e64ae6675"
      "6c6c5f617474656e74696f6e00",
      STORED32 },
    { "vLLM up to 0.23",
      TIME "919cab426c6f636b53746f72656492cf7b0bf7bf7fd01682cf0b368b33d87bf3bfc0dc0020" HEX32
           "10c0a3475055c092c0c000ae66756c6c5f617474656e74696f6ec000",
      STORED32 },
    { "a removal as a map",
      TIME
      "9184a474797065ac426c6f636b52656d6f766564ac626c6f636b5f68617368657391cf0b368b33d87bf3bfa6"
      "6d656469756da3475055a967726f75705f6964780000",
      "removed tier0 rank0 group0 b368b33d87bf3bf; " },
    { "a removal as an array", TIME "9193ac426c6f636b52656d6f76656491cf0b368b33d87bf3bfa347505500",
      "removed tier0 rank0 group0 b368b33d87bf3bf; " },
    { "all is cleared, as a map", TIME "9181a474797065b0416c6c426c6f636b73436c656172656400",
      "cleared tier0 rank0 group0; " },
    { "all is cleared, as an array", TIME "9191b0416c6c426c6f636b73436c656172656400",
      "cleared tier0 rank0 group0; " },
    { "a hash as bytes, no rank",
      TIME
      "9183a474797065ac426c6f636b52656d6f766564ac626c6f636b5f68617368657391c420cd7c51bc5a8fc864"
      "3f383a2b9e01522fba7473c669e9270c7b0bf7bf7fd01682a66d656469756da3475055c0",
      "removed tier0 rank0 group0 7b0bf7bf7fd01682; " },
    { "SGLang, a signed hash",
      TIME
      "9197ab426c6f636b53746f72656491cf77d735ce838418aac0dc00100102030405060708090a0b0c0d0e0f10"
      "10c0a347505500",
      "stored tier0 rank0 group0 77d735ce838418aa of 16:" TOKENS16 "; " },
    { "SGLang, a negative hash and metadata",
      TIME "9198ab426c6f636b53746f72656491d3ffffffffffffff00" PAGE1
           "c0aa4350555f50494e4e454481aa6361"
           "6368655f73616c74a2543103",
      "stored tier1 rank3 group0 ffffffffffffff00 of 1:1 salt=T1; " },
    { "a heartbeat", TIME "90c0", "" },
    { "two elements, as the oldest wrote",
      "92cb41daa8dbe0359fe79191b0416c6c426c6f636b73436c6561726564",
      "cleared tier0 rank0 group0; " },
    { "a fourth element", "94009191b0416c6c426c6f636b73436c65617265640081a161c0",
      "cleared tier0 rank0 group0; " },
    { "an unknown event between known ones",
      TIME
      "9391b0416c6c426c6f636b73436c656172656492a5426c6f6f6d92010291b0416c6c426c6f636b73436c6561"
      "72656400",
      "cleared tier0 rank0 group0; cleared tier0 rank0 group0; unknown 1; " },
    { "an event that is none", TIME "93c007909200", "no batch; " },
    { "events that are none", TIME "9301a16190c0", "unknown 3; " },
    { "short hashes as bytes are padded", TIME "9192ac426c6f636b52656d6f76656492c4020102c40105c0",
      "removed tier0 rank0 group0 102 5; " },
    { "an empty hash", TIME "9192ac426c6f636b52656d6f76656491c400c0", "malformed 1; " },
    { "a hash as text", TIME "9192ac426c6f636b52656d6f76656491a131c0", "malformed 1; " },
    { "no hashes", TIME "9191ac426c6f636b52656d6f766564c0", "malformed 1; " },
    { "fewer tokens than pages", TIME "9195ab426c6f636b53746f726564920102" PAGE1 "c0",
      "malformed 1; " },
    { "pages without tokens", TIME "9195ab426c6f636b53746f7265649101c0910100c0", "malformed 1; " },
    { "a negative token", TIME "9195ab426c6f636b53746f7265649101c091ff01c0", "malformed 1; " },
    { "a token over 32 bits", TIME "9195ab426c6f636b53746f7265649101c091cf000000010000000001c0",
      "malformed 1; " },
    { "the largest token", TIME "9195ab426c6f636b53746f7265649101c091ceffffffff01c0",
      "stored tier0 rank0 group0 1 of 1:4294967295; " },
    { "a parent", TIME "9195ab426c6f636b53746f72656491010a910101c0",
      "stored tier0 rank0 group0 1 of 1:1 after a; " },
    { "an adapter by name", TIME "9198ab426c6f636b53746f7265649101" PAGE1 "07c0a26d79c0",
      "stored tier0 rank0 group0 1 of 1:1 lora=my; " },
    { "an adapter without a name", TIME "9196ab426c6f636b53746f7265649101" PAGE1 "07c0",
      "stored tier0 rank0 group0 1 of 1:1 foreign0; " },
    { "adapter and salt among the further keys",
      TIME "9199ab426c6f636b53746f7265649101" PAGE1 "c0c0a26d799192a26d79a17ac0",
      "stored tier0 rank0 group0 1 of 1:1 lora=my salt=z; " },
    { "an image in the second page",
      TIME "9199ab426c6f636b53746f726564920102c09201020"
           "1c0c0c092c09192a16900c0",
      "stored tier0 rank0 group0 1 2 of 1:1,2 foreign1; " },
    { "text in a later page is an image's name",
      TIME "9199ab426c6f636b53746f72656491010a910101c0c0c09191a169c0",
      "stored tier0 rank0 group0 1 of 1:1 after a foreign0; " },
    { "a medium that nobody knows", TIME "9193ac426c6f636b52656d6f7665649101a454415045c0",
      "ignored 1; " },
    { "a sliding window",
      TIME "919bab426c6f636b53746f7265649101" PAGE1 "c0c0c0c001ae736c6964696e675f77696e646f77c0",
      "ignored 1; " },
    { "a rank that is text", TIME "9191b0416c6c426c6f636b73436c6561726564a131", "no batch; " },
    { "bytes after the batch", TIME "90c0ff", "" },
    { "nothing", "", "no batch; " },
    { "cut short", TIME "9191b0416c6c426c6f636b73436c6561", "no batch; " },
    { "an array longer than its bytes", TIME "dd00ffffff90c0", "no batch; " },
    { "not msgpack", "c1", "no batch; " },
};

static void every_example_decodes_as_it_must(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        char bytes[512];
        struct buf out;
        struct slice got;

        buf_init(&out, 65536);
        decode_into(slice_of(bytes, from_hex(examples[i].hex, bytes)), &out);
        got = buf_join(&out);
        if (!slice_eq(got, slice_str(examples[i].want)))
            fail_msg("%s: got \"%.*s\", want \"%s\"", examples[i].why, SLICE_ARGS(got),
                     examples[i].want);
        buf_release(&out);
    }
}

static void a_batch_cut_anywhere_is_no_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        char bytes[512];
        size_t len = from_hex(examples[i].hex, bytes);

        for (size_t cut = 0; cut < len; cut++) {
            char *copy = malloc(cut + 1); /* so that the sanitizer sees its end */
            struct buf out;

            memcpy(copy, bytes, cut);
            buf_init(&out, 65536);
            decode_into(slice_of(copy, cut), &out);
            assert_true(slice_eq(buf_join(&out), SLICE("no batch; ")));
            buf_release(&out);
            free(copy);
        }
    }
}

/* Arrays in arrays as deep as a batch is long: no recursion, so no stack to overflow. */
static void depth_is_passed_over_in_bounded_memory(void **state)
{
    size_t len = 1 << 20;
    char *bytes = malloc(len);
    struct buf out;

    (void)state;
    memset(bytes, (char)0x91, len);
    memcpy(bytes, "\x93\x00\x91", 3);
    bytes[len - 2] = (char)0xc0;
    bytes[len - 1] = (char)0xc0;
    buf_init(&out, 65536);
    decode_into(slice_of(bytes, len), &out);
    assert_true(slice_eq(buf_join(&out), SLICE("unknown 1; ")));
    buf_release(&out);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_decodes_as_it_must),
        cmocka_unit_test(a_batch_cut_anywhere_is_no_batch),
        cmocka_unit_test(depth_is_passed_over_in_bounded_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
