//! Calls an archive on three numbers, in place: run ARCHIVE
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::{env, process, ptr};

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    shape: *const i64,
    strides: *const i64,
    ndim: i32,
    dtype: i32,
    device_type: i32,
    device_index: i32,
}

const FLOAT32: i32 = 12;
const OK: i32 = 0;

// Handles: only pointers to them exist here.
type Handle = c_void;
type Release = extern "C" fn(*mut c_void);

#[link(name = "torchship")]
extern "C" {
    fn ts_error_message() -> *const c_char;
    fn ts_model_load(path: *const c_char, options: *const Handle) -> *mut Handle;
    fn ts_model_free(model: *mut Handle);
    fn ts_model_call(
        model: *const Handle,
        method: *const c_char,
        inputs: *const *const Handle,
        names: *const *const c_char,
        count: usize,
    ) -> *mut Handle;
    fn ts_value_from_tensor(
        tensor: *const Tensor,
        release: Option<Release>,
        context: *mut c_void,
    ) -> *mut Handle;
    fn ts_value_as_tensor(value: *const Handle, tensor: *mut Tensor) -> i32;
    fn ts_value_free(value: *mut Handle);
}

fn message() -> String {
    unsafe { CStr::from_ptr(ts_error_message()) }.to_string_lossy().into_owned()
}

/// A value, which is freed when it goes.
struct Value(*mut Handle);

impl Value {
    fn taken(value: *mut Handle) -> Result<Value, String> {
        if value.is_null() { Err(message()) } else { Ok(Value(value)) }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        unsafe { ts_value_free(self.0) }
    }
}

struct Model(*mut Handle);

impl Model {
    fn load(path: &str) -> Result<Model, String> {
        let path = CString::new(path).map_err(|error| error.to_string())?;
        let model = unsafe { ts_model_load(path.as_ptr(), ptr::null()) };
        if model.is_null() { Err(message()) } else { Ok(Model(model)) }
    }

    /// The first number that the model makes of these, which it reads where they are.
    fn call(&self, numbers: &mut [f32], shape: &[i64]) -> Result<f32, String> {
        let memory = Tensor {
            data: numbers.as_mut_ptr() as *mut c_void,
            shape: shape.as_ptr(),
            strides: ptr::null(),
            ndim: shape.len() as i32,
            dtype: FLOAT32,
            device_type: 0,
            device_index: 0,
        };
        unsafe {
            let input = Value::taken(ts_value_from_tensor(&memory, None, ptr::null_mut()))?;
            let inputs = [input.0 as *const Handle];
            let method = ptr::null();
            let answer =
                Value::taken(ts_model_call(self.0, method, inputs.as_ptr(), ptr::null(), 1))?;
            let mut view = std::mem::zeroed::<Tensor>();
            match ts_value_as_tensor(answer.0, &mut view) {
                OK => Ok(*(view.data as *const f32)),
                _ => Err(message()),
            }
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        unsafe { ts_model_free(self.0) }
    }
}

fn run(path: &str) -> Result<(), String> {
    let model = Model::load(path)?;
    let mut numbers = [1f32; 3];
    println!("{}", model.call(&mut numbers, &[1, 3])?);
    numbers[0] = 2.0;
    println!("{}", model.call(&mut numbers, &[1, 3])?);
    match model.call(&mut numbers, &[3, 1]) {
        Ok(_) => Err("three rows of one number were taken".to_string()),
        Err(text) => {
            eprintln!("{}", text);
            Ok(())
        }
    }
}

fn main() {
    let path = env::args().nth(1).expect("usage: run ARCHIVE");
    if let Err(text) = run(&path) {
        eprintln!("{}", text);
        process::exit(1);
    }
}
