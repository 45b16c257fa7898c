//! An area of one's own.

use ze_area::{Align, Area, Context, Host};

struct Own(Context);

impl Area for Own {
    type Placement = Host;
    type Align = Align<64>;

    fn context(&self) -> &Context {
        &self.0
    }

    fn alignment(&self) -> Align<64> {
        Align
    }
}

fn main() {}
