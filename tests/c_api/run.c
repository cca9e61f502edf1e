// Calls an archive on three numbers, in place: run ARCHIVE
#include <stdio.h>

#include <torchship/c_api.h>

static int failed(void) {
  fprintf(stderr, "%s\n%s\n", ts_error_message(), ts_error_hint());
  return 1;
}

static int print_answer(const ts_model* model, const ts_value* input) {
  ts_value* answer = ts_model_call(model, NULL, &input, NULL, 1);
  ts_tensor view;
  if (answer == NULL || ts_value_as_tensor(answer, &view) != TS_OK) {
    return failed();
  }
  printf("%.9g\n", *(const float*)view.data);
  ts_value_free(answer);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: run ARCHIVE\n");
    return 2;
  }
  ts_model* model = ts_model_load(argv[1], NULL);
  if (model == NULL) {
    return failed();
  }
  float numbers[3] = {1, 1, 1};
  const int64_t shape[2] = {1, 3};
  const ts_tensor memory = {.data = numbers, .shape = shape, .ndim = 2, .dtype = TS_FLOAT32};
  ts_value* input = ts_value_from_tensor(&memory, NULL, NULL);
  if (input == NULL) {
    return failed();
  }
  int status = print_answer(model, input);
  numbers[0] = 2;  // The model reads this memory itself.
  status |= print_answer(model, input);
  ts_value_free(input);

  ts_value* wrong = ts_value_from_string("three", 5);
  if (print_answer(model, wrong) == 0 || ts_error_status() != TS_SIGNATURE_ERROR) {
    status = 1;
  }
  ts_value_free(wrong);
  ts_model_free(model);
  return status;
}
