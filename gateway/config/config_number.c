/* config_number.c - values of the configuration that are kept as a number: amounts, flags and choices */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_number.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "proto/units.h"

bool config_number_is_kept(const struct config_option *option)
{
    return option->storage == CONFIG_STORED_FLAG || option->storage == CONFIG_STORED_32 ||
           option->storage == CONFIG_STORED_64;
}

const char *config_number_write(enum config_type type, uint64_t amount, char text[static CONFIG_AMOUNT_MAX])
{
    static const struct unit {
        uint64_t factor;
        const char *name;
    } times[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}},
      sizes[] = {{UINT64_C(1) << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}};
    const struct unit *unit = type == CONFIG_TYPE_SIZE ? sizes : times;
    if (type == CONFIG_TYPE_NUMBER || amount == 0) { /* 0 has no unit; the largest would divide it */
        snprintf(text, CONFIG_AMOUNT_MAX, "%llu", (unsigned long long)amount);
        return text;
    }
    CHECK(type == CONFIG_TYPE_DURATION || type == CONFIG_TYPE_SIZE);
    /* The largest unit that divides it: messages show a bound as the file would write it. */
    while (amount % unit->factor != 0)
        ++unit;
    snprintf(text, CONFIG_AMOUNT_MAX, "%llu%s", (unsigned long long)(amount / unit->factor), unit->name);
    return text;
}

const char *config_number_range(const struct config_option *option, char text[static CONFIG_RANGE_MAX])
{
    char least[CONFIG_AMOUNT_MAX], most[CONFIG_AMOUNT_MAX];
    CHECK(option->least <= option->most);
    snprintf(text, CONFIG_RANGE_MAX, "%s to %s%s%s", config_number_write(option->type, option->least, least),
             config_number_write(option->type, option->most, most), option->zero != NULL ? ", or 0 for " : "",
             option->zero != NULL ? option->zero : "");
    return text;
}

const char *config_number_words(const struct config_option *option, const char *between,
                                char text[static CONFIG_RANGE_MAX])
{
    size_t len = 0;
    CHECK(option->choices != NULL);
    for (const struct config_choice *choice = option->choices; choice->word != NULL; ++choice) {
        len += (size_t)snprintf(text + len, CONFIG_RANGE_MAX - len, "%s%s", len != 0 ? between : "", choice->word);
        CHECK(len < CONFIG_RANGE_MAX);
    }
    return text;
}

static const char *parse_choice(const struct config_option *option, const char *text, uint64_t *number,
                                char room[static CONFIG_REASON_MAX])
{
    char words[CONFIG_RANGE_MAX];
    for (const struct config_choice *choice = option->choices; choice->word != NULL; ++choice) {
        if (strcmp(text, choice->word) == 0) {
            *number = choice->value;
            return NULL;
        }
    }
    snprintf(room, CONFIG_REASON_MAX, "is not one of %s", config_number_words(option, ", ", words));
    return room;
}

static const char *parse_flag(const char *text, uint64_t *number)
{
    /* YAML 1.1 would also take yes, on and True: one way to say it is enough */
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return "is not true or false";
    *number = strcmp(text, "true") == 0;
    return NULL;
}

static bool parse_amount(enum config_type type, const char *text, uint64_t *amount)
{
    int64_t ms = 0;
    if (type == CONFIG_TYPE_NUMBER)
        return units_parse_u64(text, strlen(text), amount);
    if (type == CONFIG_TYPE_SIZE)
        return units_parse_size(text, strlen(text), amount);
    CHECK(type == CONFIG_TYPE_DURATION);
    if (!units_parse_duration(text, strlen(text), &ms))
        return false;
    *amount = (uint64_t)ms;
    return true;
}

const char *config_number_parse(const struct config_option *option, const char *text, uint64_t *number,
                                char room[static CONFIG_REASON_MAX])
{
    static const char *const kinds[] = {[CONFIG_TYPE_NUMBER] = "number",
                                        [CONFIG_TYPE_DURATION] = "duration, such as 250ms, 15s, 5m or 1h",
                                        [CONFIG_TYPE_SIZE] = "size, such as 64KiB or 4MiB"};
    char range[CONFIG_RANGE_MAX];
    uint64_t amount = 0;
    if (option->type == CONFIG_TYPE_CHOICE)
        return parse_choice(option, text, number, room);
    if (option->type == CONFIG_TYPE_FLAG)
        return parse_flag(text, number);
    *room = '\0';
    if (option->word != NULL && strcmp(text, option->word) == 0) {
        *number = 0;
        return NULL;
    }
    /* 0 may lie outside of the range, where .zero gives it a meaning of its own. */
    if (!parse_amount(option->type, text, &amount))
        snprintf(room, CONFIG_REASON_MAX, "is not a %s", kinds[option->type]);
    else if ((amount < option->least || amount > option->most) && (amount != 0 || option->zero == NULL))
        snprintf(room, CONFIG_REASON_MAX, "is out of range");
    if (*room != '\0') { /* with the range, so that nothing has to be looked up */
        size_t len = strlen(room);
        snprintf(room + len, CONFIG_REASON_MAX - len, ": %s%s%s", option->word != NULL ? option->word : "",
                 option->word != NULL ? ", or " : "", config_number_range(option, range));
        return room;
    }
    *number = amount;
    return NULL;
}
