//! Metadata values, each with the exact type that the file gives it.

/// Type of a metadata value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the format")]
pub enum Kind {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    Text = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl Kind {
    /// The kind of a type number.
    pub fn from_id(id: u32) -> Option<Self> {
        let all = [
            Self::U8,
            Self::I8,
            Self::U16,
            Self::I16,
            Self::U32,
            Self::I32,
            Self::F32,
            Self::Bool,
            Self::Text,
            Self::Array,
            Self::U64,
            Self::I64,
            Self::F64,
        ];
        all.into_iter().find(|k| *k as u32 == id)
    }
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names of the format")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    Array(Kind, Vec<Value>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Value {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::U8(_) => Kind::U8,
            Self::I8(_) => Kind::I8,
            Self::U16(_) => Kind::U16,
            Self::I16(_) => Kind::I16,
            Self::U32(_) => Kind::U32,
            Self::I32(_) => Kind::I32,
            Self::F32(_) => Kind::F32,
            Self::Bool(_) => Kind::Bool,
            Self::Text(_) => Kind::Text,
            Self::Array(..) => Kind::Array,
            Self::U64(_) => Kind::U64,
            Self::I64(_) => Kind::I64,
            Self::F64(_) => Kind::F64,
        }
    }

    /// The number, if it is a whole one from 0.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::U8(x) => Some(u64::from(*x)),
            Self::U16(x) => Some(u64::from(*x)),
            Self::U32(x) => Some(u64::from(*x)),
            Self::U64(x) => Some(*x),
            Self::I8(x) => u64::try_from(*x).ok(),
            Self::I16(x) => u64::try_from(*x).ok(),
            Self::I32(x) => u64::try_from(*x).ok(),
            Self::I64(x) => u64::try_from(*x).ok(),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F32(x) => Some(f64::from(*x)),
            Self::F64(x) => Some(*x),
            Self::I8(x) => Some(f64::from(*x)),
            Self::I16(x) => Some(f64::from(*x)),
            Self::I32(x) => Some(f64::from(*x)),
            Self::I64(x) => Some(*x as f64),
            other => other.as_u64().map(|x| x as f64),
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(s) => Some(s),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The elements.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(_, items) => Some(items),
            _ => None,
        }
    }
}
