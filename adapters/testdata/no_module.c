/* A shared library that is no engine. */
int gradproof_no_module(void);
int gradproof_no_module(void) { return 1; }
