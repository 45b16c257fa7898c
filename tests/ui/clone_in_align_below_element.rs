//! A clone in an area whose alignment is below that of the elements.

use ze_area::Context;

fn main() {
    let context = Context::new().unwrap();
    let area = context.default_device_area().unwrap();
    let queue = context.queue(area.device()).unwrap();
    let _ = queue.clone_in(&area.align::<2>(), &[1_u64, 2][..]);
}
