/* An engine that computes nothing: every value read is a vector of two f32, (1, 2). The variable
 * GRADPROOF_FAKE names the one thing it does wrong. Also a proof that the ABI is plain C. */
#include <stdlib.h>
#include <string.h>

#include "adapters/engine.h"

struct gp_prepared {
  const struct gp_step* steps;
  uint64_t step_count;
};

static int faulty(const char* what) {
  const char* fault = getenv("GRADPROOF_FAKE");
  return fault != NULL && strcmp(fault, what) == 0;
}

static int start(const struct gp_options* options, const char** error) {
  if (!faulty("start") && options->struct_size == sizeof(struct gp_options)) return 0;
  *error = "the fake is out of order";
  return 1;
}

static const char* describe(void) {
  if (faulty("unknown key")) return "{\"name\": \"fake\", \"colour\": 1}";
  if (faulty("not json")) return "name = fake";
  return "{\"dtypes\": [\"f32\"], \"second_sweep\": \"overwrite\", \"expands_seeds\": false, \"budget_multiplier\": 2}";
}

static const char* schemas(void) {
  return faulty("schema") ? "one("
                          : "one(Tensor self) -> Tensor\naten::two.Tensor(Tensor self, Tensor other) -> Tensor\n";
}

static struct gp_prepared* prepare(const struct gp_program* program, const char** error) {
  struct gp_prepared* prepared = faulty("prepare") ? NULL : malloc(sizeof *prepared);
  if (prepared == NULL) {
    *error = "no program for me";
    return NULL;
  }
  prepared->steps = program->steps;
  prepared->step_count = program->step_count;
  return prepared;
}

static void fill(struct gp_observation* item, uint32_t step, uint64_t data) {
  memset(item, 0, sizeof *item);
  item->step = faulty("step") ? 1000000 : faulty("order") ? 1 : faulty("not a read") ? step - 1 : step;
  item->status = faulty("status") ? 77 : GP_VALUE;
  item->dtype = faulty("dtype") ? 6 : GP_F32;
  item->ndim = faulty("ndim") ? 9 : 1;
  item->elements = faulty("elements") ? 3 : 2;
  item->shape[0] = faulty("negative") ? -2 : faulty("huge") ? INT64_MAX : 2;
  item->strides[0] = 1;
  item->data = faulty("data") ? data + 4096 : data;
  if (faulty("error") || faulty("text")) {
    item->status = GP_ERROR;
    item->error = faulty("error") ? 99 : GP_OTHER;
    item->text = 5;
    item->text_size = 1;
  }
}

static int run(struct gp_prepared* prepared, const uint8_t* data, struct gp_observations* out) {
  const float values[2] = {1, 2};
  uint64_t index;
  (void)data;
  out->item_count = 0;
  out->data_size = 0;
  out->text_size = 0;
  if (faulty("run")) return GP_RUN_FAILED;
  if (faulty("insatiable") || faulty("greedy")) {
    out->data_size = faulty("greedy") ? UINT64_MAX : out->data_capacity + 1;
    return GP_RUN_TOO_SMALL;
  }
  if (faulty("count")) {
    out->item_count = out->item_capacity + 1;
    return GP_RUN_DONE;
  }
  for (index = 0; index < prepared->step_count; ++index) {
    if (prepared->steps[index].kind != GP_READ || faulty("silent")) continue;
    if (out->item_count < out->item_capacity && out->data_size + sizeof values <= out->data_capacity) {
      fill(&out->items[out->item_count], (uint32_t)index, out->data_size);
      memcpy(out->data + out->data_size, values, sizeof values);
    }
    ++out->item_count;
    out->data_size += sizeof values;
  }
  return out->item_count <= out->item_capacity && out->data_size <= out->data_capacity ? GP_RUN_DONE : GP_RUN_TOO_SMALL;
}

static void release(struct gp_prepared* prepared) { free(prepared); }

static int set_fill(int32_t fill) { return fill < 256 ? 0 : 1; }
static const char* memory_fault(void) { return "a write gone astray"; }

static const struct gp_module fake = {sizeof(struct gp_module),
                                      GP_ABI_VERSION,
                                      "fake",
                                      "1.0.0",
                                      start,
                                      describe,
                                      schemas,
                                      prepare,
                                      run,
                                      release,
                                      set_fill,
                                      memory_fault};
static const struct gp_module of_yesterday = {
    GP_MODULE_LEAST_SIZE, GP_ABI_VERSION, "fake", "1.0.0", start, describe, schemas, prepare, run, release, set_fill,
    memory_fault};
static const struct gp_module of_tomorrow = {
    sizeof(struct gp_module), 99, "fake", "1.0.0", start, describe, schemas, prepare, run, release, NULL, NULL};
static const struct gp_module hollow = {sizeof(struct gp_module),
                                        GP_ABI_VERSION,
                                        "fake",
                                        "1.0.0",
                                        start,
                                        describe,
                                        schemas,
                                        prepare,
                                        NULL,
                                        release,
                                        NULL,
                                        NULL};

const struct gp_module* gp_engine_module(uint32_t abi_version);
const struct gp_module* gp_engine_module(uint32_t abi_version) {
  if (abi_version != GP_ABI_VERSION || faulty("refuses")) return NULL;
  if (faulty("yesterday")) return &of_yesterday;
  return faulty("abi") ? &of_tomorrow : faulty("hollow") ? &hollow : &fake;
}
