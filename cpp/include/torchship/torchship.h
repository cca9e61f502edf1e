#pragma once

/// Everything torchship offers to C++: one include.
#include <torchship/check.h>
#include <torchship/convert.h>
#include <torchship/doctor.h>
#include <torchship/engine.h>
#include <torchship/error.h>
#include <torchship/graph.h>
#include <torchship/info.h>
#include <torchship/lint.h>
#include <torchship/model.h>
#include <torchship/source.h>
#include <torchship/tensor_file.h>
#include <torchship/value.h>
#include <torchship/version.h>
