//! Memory for many small byte strings that come and go: chunks, cut into cells of a few sizes, and a list of free cells for each size.
//! Nothing is ever moved, so that no step has to pay for all that is stored.

use std::collections::HashMap;

const CHUNK_BYTES: usize = 1 << 18;
/// Cells are multiples of this.
const GRAIN_BYTES: usize = 8;
/// What is larger has a chunk of its own, which is given back when the string goes.
const CELL_BYTES_MAX: usize = 4096;

/// Where a string lies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    chunk: u32,
    start: u32,
    length: u32,
}

#[derive(Default)]
pub struct Arena {
    chunks: Vec<Box<[u8]>>,
    /// The chunk that is being cut, and how much of it is.
    open: Option<(u32, usize)>,
    free_cells: HashMap<usize, Vec<(u32, u32)>>,
    free_chunks: Vec<u32>,
    bytes: usize,
}

impl Arena {
    pub fn store(&mut self, bytes: &[u8]) -> Place {
        let (chunk, start) = match bytes.len() {
            0 => (0, 0),
            1..=CELL_BYTES_MAX => self.cell(cell_bytes(bytes.len())),
            _ => (self.add_chunk(bytes.len()), 0),
        };
        if !bytes.is_empty() {
            self.chunks[chunk as usize][start as usize..start as usize + bytes.len()].copy_from_slice(bytes);
        }
        Place { chunk, start, length: bytes.len() as u32 }
    }

    pub fn get(&self, place: Place) -> &[u8] {
        match place.length {
            0 => &[],
            length => &self.chunks[place.chunk as usize][place.start as usize..(place.start + length) as usize],
        }
    }

    pub fn free(&mut self, place: Place) {
        match place.length as usize {
            0 => {}
            length @ 1..=CELL_BYTES_MAX => self.free_cells.entry(cell_bytes(length)).or_default().push((place.chunk, place.start)),
            length => {
                self.chunks[place.chunk as usize] = Box::default();
                self.bytes -= length;
                self.free_chunks.push(place.chunk);
            }
        }
    }

    /// What is taken from the system for strings.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn cell(&mut self, bytes: usize) -> (u32, u32) {
        if let Some(cell) = self.free_cells.get_mut(&bytes).and_then(Vec::pop) {
            return cell;
        }
        let (chunk, used) = match self.open {
            Some((chunk, used)) if used + bytes <= CHUNK_BYTES => (chunk, used),
            _ => (self.add_chunk(CHUNK_BYTES), 0),
        };
        self.open = Some((chunk, used + bytes));
        (chunk, used as u32)
    }

    fn add_chunk(&mut self, bytes: usize) -> u32 {
        self.bytes += bytes;
        let chunk = vec![0; bytes].into_boxed_slice();
        match self.free_chunks.pop() {
            Some(number) => {
                self.chunks[number as usize] = chunk;
                number
            }
            None => {
                self.chunks.push(chunk);
                (self.chunks.len() - 1) as u32
            }
        }
    }
}

fn cell_bytes(length: usize) -> usize {
    length.next_multiple_of(GRAIN_BYTES)
}
