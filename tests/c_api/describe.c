// Says what an archive and its model are, and whether they work here: describe ARCHIVE [METHOD]
#include <inttypes.h>
#include <stdio.h>

#include <torchship/c_api.h>

static void print_dimension(const ts_dimension* dimension) {
  if (dimension->symbol == NULL) {
    printf(" %" PRId64, dimension->size);
  } else {
    printf(" %s(%" PRId64 "..%" PRId64 ", %" PRId64 ")", dimension->symbol, dimension->min,
           dimension->max, dimension->multiple_of);
  }
}

static void print_spec(const char* what, const ts_spec* spec) {
  printf("%s '%s' kind %d %s %s:", what, ts_spec_name(spec), (int)ts_spec_kind(spec),
         ts_spec_type(spec), ts_dtype_name(ts_spec_dtype(spec)));
  for (int32_t i = 0; i < ts_spec_ndim(spec); ++i) {
    ts_dimension dimension;
    if (ts_spec_dimension(spec, (size_t)i, &dimension) == TS_OK) {
      print_dimension(&dimension);
    }
  }
  printf("%s%s\n", ts_spec_may_be_none(spec) ? " or none" : "",
         ts_spec_may_be_left_out(spec) ? " or nothing" : "");
  for (size_t i = 0; i < ts_spec_member_count(spec); ++i) {
    print_spec("  member", ts_spec_member(spec, i));
  }
}

static void print_method(const ts_method* method) {
  printf("%s is %s\n", ts_method_name(method), ts_method_text(method));
  for (size_t i = 0; i < ts_method_input_count(method); ++i) {
    print_spec("input", ts_method_input(method, i));
  }
  print_spec("output", ts_method_output(method));
}

static int print_check(const ts_model* model) {
  ts_check* check = ts_model_check(model);
  if (check == NULL) {
    printf("no check: %s\n", ts_error_message());
    return 0;
  }
  const int passed = ts_check_passed(check);
  printf("check %s\n", passed ? "passed" : "failed");
  for (size_t i = 0; i < ts_check_sample_count(check); ++i) {
    printf("sample %zu %s %s\n", i, ts_check_sample_passed(check, i) ? "passed" : "failed",
           ts_check_sample_message(check, i));
  }
  printf("%s%s\n", ts_check_text(check), ts_check_json(check));
  ts_check_free(check);
  return passed ? 0 : 1;
}

static int print_model(const char* path) {
  ts_options* options = ts_options_new();
  ts_options_set_device(options, "cpu");
  ts_options_set_threads(options, 1);
  ts_model* model = ts_model_load(path, options);
  ts_options_free(options);
  if (model == NULL) {
    fprintf(stderr, "%s\n", ts_error_message());
    return 1;
  }
  printf("%s on %s: %s; %zu passed over\n", ts_model_engine(model), ts_model_device(model),
         ts_model_engine_reason(model), ts_model_passed_over_count(model));
  const int status = print_check(model);
  ts_model_free(model);
  return status;
}

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: describe ARCHIVE [METHOD]\n");
    return 2;
  }
  ts_info* info = ts_info_read(argv[1]);
  const ts_method* method = ts_info_find_method(info, argc > 2 ? argv[2] : NULL);
  if (method == NULL) {
    fprintf(stderr, "%s\n", ts_error_message());
    ts_info_free(info);
    return 1;
  }
  printf("torchship %s, LibTorch %s, interface %d; %zu methods\n", ts_version(),
         ts_libtorch_version(), (int)ts_api_version(), ts_info_method_count(info));
  print_method(method);
  printf("%s\n", ts_info_json(info));
  ts_info_free(info);
  return print_model(argv[1]);
}
