/*
 * Post-processors: the ids that they put around a text, as Hugging Face tokenizers 0.23.2 does
 * (add_special_tokens), and those that cannot be.
 */
#include "gateway/token/postprocessor.h"

#include "tests/unit/tokenizer_rig.h"

#define SPECIAL(name)  "{'SpecialToken':{'id':'" name "','type_id':0}}"
#define TEXT(name)     "{'Sequence':{'id':'" name "','type_id':0}}"
#define TOKEN(n, list) "'" n "':{'id':'" n "','ids':[" list "],'tokens':['t']}"
#define TEMPLATE(single, pair, tokens)                                                             \
    "{'type':'TemplateProcessing','single':[" single "],'pair':[" pair                             \
    "],'special_tokens':{" tokens "}}"
#define BOTH        TEXT("A") "," TEXT("B")
#define LIST(steps) "{'type':'Sequence','processors':[" steps "]}"
#define BYTE_LEVEL  "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':false}"
#define ROBERTA                                                                                    \
    "{'type':'RobertaProcessing','sep':['s',2],'cls':['c',1],'trim_offsets':true,"                 \
    "'add_prefix_space':false}"
#define BERT "{'type':'BertProcessing','sep':['s',4],'cls':['c',3]}"
#define BOS                                                                                        \
    TEMPLATE(SPECIAL("b") "," TEXT("A"),                                                           \
             SPECIAL("b") "," TEXT("A") "," SPECIAL("b") "," TEXT("B"), TOKEN("b", "7"))

static void check(const char *json, const int64_t *before, const int64_t *after)
{
    struct postprocessor postprocessor;
    struct rig_node rig;

    rig_open(&rig, json);
    assert_true(postprocessor_load(&postprocessor, &rig.node));
    rig_compare(json, &postprocessor.before, before);
    rig_compare(json, &postprocessor.after, after);
    postprocessor_release(&postprocessor);
    rig_close(&rig);
}

static const struct {
    const char *json;
    int64_t before[RIG_IDS], after[RIG_IDS];
} rows[] = {
    { "null", { -1 }, { -1 } },
    { BYTE_LEVEL, { -1 }, { -1 } },
    { ROBERTA, { 1, -1 }, { 2, -1 } },
    { BERT, { 3, -1 }, { 4, -1 } },
    { BOS, { 7, -1 }, { -1 } },
    { TEMPLATE(TEXT("A"), BOTH, ""), { -1 }, { -1 } },
    { TEMPLATE(SPECIAL("b") "," TEXT("A") "," SPECIAL("e"), BOTH,
               TOKEN("b", "7,8") "," TOKEN("e", "9")),
      { 7, 8, -1 },
      { 9, -1 } },
    { TEMPLATE(SPECIAL("b") "," SPECIAL("b") "," TEXT("A"), BOTH, TOKEN("b", "7")),
      { 7, 7, -1 },
      { -1 } },
    { LIST(""), { -1 }, { -1 } },
    { LIST(BYTE_LEVEL), { -1 }, { -1 } },
    { LIST(BYTE_LEVEL "," BOS), { 7, -1 }, { -1 } },
    { LIST(ROBERTA "," BERT), { 3, 1, -1 }, { 2, 4, -1 } },
    { LIST(BERT "," ROBERTA), { 1, 3, -1 }, { 4, 2, -1 } },
    { LIST(BOS "," ROBERTA), { 1, 7, 2, 2, -1 }, { 2, -1 } },
    { LIST(ROBERTA "," BOS), { 7, 1, -1 }, { 2, -1 } },
    { LIST(BOS "," BOS), { 7, 7, 7, -1 }, { -1 } },
    { LIST(BYTE_LEVEL "," BYTE_LEVEL "," ROBERTA), { 1, -1 }, { 2, -1 } },
    { LIST(LIST(BOS)), { 7, -1 }, { -1 } },
    { TEMPLATE(TEXT("A"), BOTH, TOKEN("unused", "5")), { -1 }, { -1 } },
    { TEMPLATE(SPECIAL("b") "," TEXT("A"), BOTH, TOKEN("b", "")), { -1 }, { -1 } },
    { TEMPLATE(TEXT("A") "," SPECIAL("b"), BOTH, TOKEN("b", "7")), { -1 }, { 7, -1 } },
    { LIST(TEMPLATE(TEXT("A") "," SPECIAL("e"), TEXT("B") "," TEXT("A"), TOKEN("e", "9")) "," BOS),
      { 7, -1 },
      { 7, 9, -1 } },
    { "{'type':'RobertaProcessing','sep':['s',2],'cls':['c',1]}", { 1, -1 }, { 2, -1 } },
};

static void ids_are_put_around_as_the_reference_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].json, rows[i].before, rows[i].after);
}

static void load(const char *json, const char *said)
{
    struct postprocessor postprocessor;
    struct rig_node rig;
    bool loaded;

    rig_open(&rig, json);
    loaded = postprocessor_load(&postprocessor, &rig.node);
    postprocessor_release(&postprocessor);
    if (said)
        rig_refused(&rig, loaded, said);
    else
        assert_true(loaded);
    rig_close(&rig);
}

static void what_cannot_be_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *json, *said;
    } refusals[] = {
        { "[]", "part: must be an object, is an array" },
        { "{'type':'Other'}", "part: has type Other, which is not supported" },
        { LIST(BYTE_LEVEL ",7"), "part.processors[1]: must be an object, is a number" },
        { "{'type':'BertProcessing','cls':['c',3]}", "part.sep: is missing" },
        { "{'type':'BertProcessing','sep':['s',4]}", "part.cls: is missing" },
        { "{'type':'BertProcessing','sep':['s'],'cls':['c',3]}",
          "part.sep: must be a token and its id" },
        { "{'type':'BertProcessing','sep':['s',4],'cls':[3,'c']}",
          "part.cls[0]: must be a string, is a number" },
        { "{'type':'BertProcessing','sep':['s',4],'cls':['c',-3]}",
          "part.cls[1]: is -3, must be 0 to 2147483647" },
        { "{'type':'BertProcessing','sep':['s',2147483648],'cls':['c',3]}",
          "part.sep[1]: is 2147483648, must be 0 to 2147483647" },
        { "{'type':'TemplateProcessing','special_tokens':{}}", "part.single: is missing" },
        { "{'type':'TemplateProcessing','single':[" TEXT("A") "]}",
          "part.special_tokens: is missing" },
        { TEMPLATE("'$A'", BOTH, ""), "part.single[0]: must be an object, is a string" },
        { TEMPLATE("{'Other':{}}", BOTH, ""), "part.single[0].Sequence: is missing" },
        { TEMPLATE(TEXT("C"), BOTH, ""), "part.single[0].Sequence.id: is neither A nor B" },
        { TEMPLATE(TEXT("A") "," TEXT("B"), BOTH, ""),
          "part.single[1].Sequence.id: is B, where there is only one text" },
        { TEMPLATE(SPECIAL("q") "," TEXT("A"), BOTH, ""),
          "part.single[0].SpecialToken.id: is not among special_tokens" },
        { TEMPLATE(SPECIAL("b") "," TEXT("A"), BOTH, "'b':{'id':'b','tokens':[]}"),
          "part.special_tokens.b.ids: is missing" },
        { TEMPLATE(SPECIAL("b") "," TEXT("A"), BOTH, TOKEN("b", "1,'2'")),
          "part.special_tokens.b.ids[1]: must be a whole number, is a string" },
        { TEMPLATE("", BOTH, ""), "part: gives the text 0 times instead of once" },
        { TEMPLATE(TEXT("A") "," TEXT("A"), BOTH, ""),
          "part: gives the text 2 times instead of once" },
        { LIST(BOS "," BOS "," BOS),
          "part.processors[2]: follows processors that leave it more than two sequences" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        load(refusals[i].json, refusals[i].said);
}

static void a_template_has_a_largest_number_of_parts(void **state)
{
    static const struct {
        size_t parts;
        const char *said;
    } counts[] = {
        { 64, NULL },
        { 65, "part.single: has more than 64 parts" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        char json[8192] = "{'type':'TemplateProcessing','special_tokens':{" TOKEN(
            "b", "7") "},'single':[" TEXT("A");

        for (size_t j = 1; j < counts[i].parts; j++)
            strcat(json, "," SPECIAL("b"));
        load(strcat(json, "]}"), counts[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_put_around_as_the_reference_does),
        cmocka_unit_test(what_cannot_be_is_refused_by_its_place),
        cmocka_unit_test(a_template_has_a_largest_number_of_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
