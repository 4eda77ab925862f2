/* The flat program: a script as it crosses a binary interface. Plain C, no pointers to C++ objects.
 *
 * A program is an array of steps over numbered values. Everything a step names (arguments, shapes,
 * names, numbers) lies in shared pools and is referred to by index, so that a program is prepared
 * once and run many times with other contents of `data`.
 *
 * A value is numbered once, by the step that makes it, in increasing order.
 */
#ifndef GRADPROOF_SCRIPT_PROGRAM_H
#define GRADPROOF_SCRIPT_PROGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GP_MAX_DIMS = 8 };

/* Marks "no value" in a list of value ids: an absent seed, a None in a tensor list. */
#define GP_NO_VALUE UINT32_MAX
/* gp_tensor::strides: row-major without gaps. */
#define GP_CONTIGUOUS UINT32_MAX

enum gp_dtype { GP_F16 = 0, GP_BF16 = 1, GP_F32 = 2, GP_F64 = 3, GP_I64 = 4, GP_BOOL = 5 };

enum gp_memory {
  GP_GIVEN = 0, /* the buffer's contents lie in the program's data */
  GP_ZEROS = 1,
  GP_EMPTY = 2 /* memory nobody wrote */
};

enum gp_device { GP_CPU = 0, GP_CUDA = 1 };

enum gp_tensor_flag { GP_REQUIRES_GRAD = 1, GP_PINNED = 2 };

/* A tensor of `ndim` dimensions seen through strides and an offset (both in elements) on a buffer of
 * `buffer_elements` elements. Contents, where given, start at byte `data` and fill the whole buffer. */
struct gp_tensor {
  uint8_t dtype;
  uint8_t memory;
  uint8_t device;
  uint8_t flags;
  uint32_t ndim;
  uint32_t shape;   /* first of ndim entries in `ints` */
  uint32_t strides; /* first of ndim entries in `ints`, or GP_CONTIGUOUS */
  int64_t offset;
  uint64_t buffer_elements;
  uint64_t data; /* byte offset into `data`; meaningful where memory is GP_GIVEN */
};

enum gp_arg_kind {
  GP_ARG_DEFAULT = 0, /* left out: the operator's own default applies */
  GP_ARG_NONE = 1,
  GP_ARG_VALUE = 2,  /* u.index: a value id */
  GP_ARG_VALUES = 3, /* u.index: first of count entries in `ids` */
  GP_ARG_INT = 4,
  GP_ARG_INTS = 5, /* u.index: first of count entries in `ints` */
  GP_ARG_REAL = 6,
  GP_ARG_REALS = 7, /* u.index: first of count entries in `reals` */
  GP_ARG_BOOL = 8,
  GP_ARG_BOOLS = 9,   /* u.index: first of count entries in `ints`, each 0 or 1 */
  GP_ARG_STRING = 10, /* u.index: first of count bytes in `text` */
  GP_ARG_DTYPE = 11   /* u.integer: a gp_dtype */
};

struct gp_arg {
  uint32_t kind;
  uint32_t count;
  union {
    int64_t integer; /* GP_ARG_INT, GP_ARG_BOOL, GP_ARG_DTYPE */
    double real;     /* GP_ARG_REAL */
    uint64_t index;
  } u;
};

enum gp_step_kind {
  GP_TENSOR = 0,        /* result = tensors[op] */
  GP_CALL = 1,          /* results = ops[op](args in the order of the schema) */
  GP_BACKWARD = 2,      /* args: VALUES roots, VALUES seeds (GP_NO_VALUE: none), VALUES inputs or NONE */
  GP_GRAD = 3,          /* the same arguments; one result per input */
  GP_GRAD_OF = 4,       /* result = args[0].grad, possibly undefined */
  GP_SET_GRAD = 5,      /* args[0].grad = args[1] (VALUE), or undefined (NONE) */
  GP_ZERO_GRAD = 6,     /* args[0].grad, where defined, is filled with zeros in place */
  GP_DUAL = 7,          /* result = args[0] carrying the tangent args[1] (forward mode) */
  GP_JVP = 8,           /* result = the tangent args[0] carries, possibly undefined */
  GP_DETACH = 9,        /* result shares memory with args[0], and no graph */
  GP_REQUIRE_GRAD = 10, /* args[0].requires_grad = args[1] (BOOL) */
  GP_RETAIN_GRAD = 11,  /* args[0], not a leaf, keeps its .grad */
  GP_NO_GRAD = 12,      /* args[0] BOOL: recording off (true) or on again (false) */
  GP_READ = 13,         /* observe args[0] */
  GP_DROP = 14,         /* args: VALUES; their handles are given up, no later step names them */
  GP_HOOK = 15,         /* every gradient that arrives at args[0] is multiplied by args[1] (REAL) */
  GP_PARALLEL = 16,     /* args[0] INT, a gp_parallel: lanes of steps that run at once, one thread each */
  GP_STREAM = 17        /* args[0] INT: what follows runs on that CUDA stream, 0 the default one; else nothing */
};

/* Where the engine has no threads its lanes run one after the other. A lane names no value that a sister
 * lane makes, and switches no recording on or off. */
enum gp_parallel { GP_PARALLEL_BEGIN = 0, GP_PARALLEL_NEXT = 1, GP_PARALLEL_END = 2 };

enum gp_step_flag {
  GP_RETAIN_GRAPH = 1, /* BACKWARD, GRAD */
  GP_CREATE_GRAPH = 2,
  GP_ALLOW_UNUSED = 4 /* GRAD: an input that was not used yields an undefined result, not an error */
};

struct gp_step {
  uint16_t kind;
  uint16_t flags;
  uint32_t line; /* in the script's text, from 1; 0 where there is none */
  uint32_t op;
  uint32_t first_arg;
  uint32_t arg_count;
  uint32_t first_result; /* value id */
  uint32_t result_count;
};

/* An operator by ATen's name and overload ("add", "Tensor"); in-place ones end in '_'. Both are
 * offsets of NUL-terminated text. */
struct gp_op {
  uint32_t name;
  uint32_t overload;
};

struct gp_program {
  uint32_t struct_size;
  uint32_t value_count;
  const struct gp_step* steps;
  uint64_t step_count;
  const struct gp_arg* args;
  uint64_t arg_count;
  const struct gp_op* ops;
  uint64_t op_count;
  const struct gp_tensor* tensors;
  uint64_t tensor_count;
  const uint32_t* ids;
  uint64_t id_count;
  const int64_t* ints;
  uint64_t int_count;
  const double* reals;
  uint64_t real_count;
  const char* text;
  uint64_t text_size;
  const uint8_t* data;
  uint64_t data_size;
};

enum gp_error_kind {
  GP_OK = 0,
  GP_GRAPH_FREED = 1,            /* a sweep through a graph whose saved tensors are gone */
  GP_SEED_SHAPE = 2,             /* a seed that does not fit its output */
  GP_NO_SEED_FOR_NON_SCALAR = 3, /* backward of a tensor of more than one element without a seed */
  GP_NO_GRAD_REQUIRED = 4,       /* backward of something that depends on no leaf */
  GP_SAVED_MODIFIED = 5,         /* a tensor a sweep needs was changed in place */
  GP_LEAF_MODIFIED = 6,          /* a leaf that requires a gradient was changed in place */
  GP_UNUSED_INPUT = 7,           /* grad with respect to something not used */
  GP_SHAPE = 8,
  GP_DTYPE = 9,
  GP_INDEX = 10,    /* a dim or an index out of range */
  GP_ARGUMENT = 11, /* any other bad argument */
  GP_DOMAIN = 12,   /* refused input values: a singular matrix */
  GP_UNKNOWN_OPERATOR = 13,
  GP_UNSUPPORTED = 14, /* the engine declares that it cannot do this */
  GP_UNDEFINED = 15,   /* use of an undefined tensor */
  GP_OUT_OF_MEMORY = 16,
  GP_OTHER = 17
};

enum gp_status {
  GP_VALUE = 0,
  GP_UNDEFINED_VALUE = 1,
  GP_ERROR = 2,  /* this step failed */
  GP_SKIPPED = 3 /* this step needs a value that an earlier failure did not make */
};

/* What was seen at one step: every GP_READ makes one, and so does every step that fails. Elements lie
 * in row-major order at byte `data` of the observations' bytes. */
struct gp_observation {
  uint32_t step;
  uint8_t status;
  uint8_t dtype;
  uint8_t error;
  uint8_t ndim;
  uint32_t text; /* error text: offset and size in the observations' text */
  uint32_t text_size;
  uint64_t storage; /* equal for tensors that share memory, 0 where unknown */
  uint64_t version; /* how often the storage was written in place */
  uint64_t data;
  uint64_t elements;
  int64_t shape[GP_MAX_DIMS];
  int64_t strides[GP_MAX_DIMS];
};

#ifdef __cplusplus
}
#endif
#endif
