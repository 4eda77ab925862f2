/* The one interface between gradproof and an engine under test, in plain C.
 *
 * A module is a shared library that exports gp_engine_module(). Memory belongs to whoever allocated
 * it: the program and the observation buffers are the caller's; a prepared program is the module's,
 * from prepare to release. No function may throw or call exit. A module is used from one thread.
 */
#ifndef GRADPROOF_ADAPTERS_ENGINE_H
#define GRADPROOF_ADAPTERS_ENGINE_H

#include <stddef.h>

#include "script/program.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GP_ABI_VERSION = 1 };

struct gp_prepared; /* the module's own */

/* Buffers of the caller. A module fills them from the start and sets the three counts; where one is
 * too small it writes nothing there, sets the count needed and returns GP_RUN_TOO_SMALL. */
struct gp_observations {
  uint32_t struct_size;
  struct gp_observation* items;
  uint64_t item_capacity;
  uint64_t item_count;
  uint8_t* data;
  uint64_t data_capacity;
  uint64_t data_size;
  char* text;
  uint64_t text_capacity;
  uint64_t text_size;
};

enum gp_run_result { GP_RUN_DONE = 0, GP_RUN_TOO_SMALL = 1, GP_RUN_FAILED = 2 };

struct gp_options {
  uint32_t struct_size;
  uint32_t device;       /* gp_device */
  int32_t fill;          /* byte that fills memory nobody wrote, or -1: as the engine does */
  const char* libraries; /* libraries to load first, separated by newlines */
};

struct gp_module {
  uint32_t struct_size;
  uint32_t abi_version;
  const char* name;    /* "libtorch" */
  const char* version; /* "2.11.0" */

  /* Called once, in the process that will run programs or in one that forks it, before any other. 0, or an error: the
   * text is valid until the next call. */
  int (*start)(const struct gp_options* options, const char** error);

  /* JSON, valid for the life of the module: capabilities and policies (docs/engines.md). */
  const char* (*describe)(void);  // NOLINT(modernize-redundant-void-arg): in C () says nothing

  /* The operators known, one schema a line ("aten::add.Tensor(Tensor self, ...) -> Tensor"). */
  const char* (*schemas)(void);  // NOLINT(modernize-redundant-void-arg)

  /* NULL on failure, with the reason. A program with an operator the engine does not know is
   * prepared all the same; its step fails with GP_UNKNOWN_OPERATOR when run. */
  struct gp_prepared* (*prepare)(const struct gp_program* program, const char** error);

  /* `data` replaces the program's own contents; its size is that of the program prepared. Gradients
   * and graphs of one run are gone before the next. */
  int (*run)(struct gp_prepared* prepared, const uint8_t* data, struct gp_observations* out);

  void (*release)(struct gp_prepared* prepared);

  /* From here on optional: NULL, or left out by a smaller struct_size. */

  /* Memory nobody wrote is filled with this byte from the next run on, that of programs prepared before too; -1: as
   * the engine does. 0, or not 0 where it cannot. */
  int (*set_fill)(int32_t fill);

  /* What runs since the last call wrote outside their memory or into memory already freed, as text; "" or NULL for
   * nothing. Told where a fill is set. Valid until the next call. */
  const char* (*memory_fault)(void);  // NOLINT(modernize-redundant-void-arg)
};

/* Bytes of the part every module fills in. */
#define GP_MODULE_LEAST_SIZE offsetof(struct gp_module, set_fill)

/* The symbol a module exports. NULL where it cannot serve that version. */
typedef const struct gp_module* (*gp_engine_module_fn)(uint32_t abi_version);

#ifdef __cplusplus
}
#endif
#endif
