//! What GETs are answered from: the newest state of each collection and the files it names, in
//! memory within bounds, read from the store where they are not.
//!
//! A file of a version never changes, so a cached one is right for ever. The state of a collection
//! does: it is replaced at each commit and **never by an older one**, also when a slow reader
//! finishes loading after a commit.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::publish::{Head, StoredFile};

use crate::signer_client::Release;
use crate::store::{
    Collection, CollectionId, FileBytes, RoleFile, State, Store, StoreResult, is_kept_open,
};

/// What a parsed file takes in memory, as a multiple of its bytes.
const PARSED_FACTOR: u64 = 6;
/// What one entry takes beside its bytes.
const ENTRY_BYTES: u64 = 400;
/// How many collections can be loaded at once without waiting for each other.
const LOADERS: usize = 64;

/// A collection at one commit.
#[derive(Debug)]
pub struct Live {
    /// Its name, life and last commit.
    pub collection: Collection,
    /// Its files.
    pub head: Arc<Head>,
}

impl Live {
    /// The current version of a role's file, also where that is lost.
    pub fn version(&self, role: &RoleName) -> Option<Version> {
        match role.as_str() {
            "snapshot" => Some(self.head.snapshot.version()),
            "timestamp" => Some(self.head.timestamp.version()),
            _ => self.head.version(role),
        }
    }

    /// What a collection consists of after the commit of a release; `before` is absent for the first.
    pub fn head_after(before: Option<&Head>, release: &Release) -> Head {
        let mut files = before.map_or_else(BTreeMap::new, |head| head.files.clone());
        let mut root = before.map(|head| head.root.clone());
        apply(release.prepared().files(), &mut root, &mut files);
        for (role, file) in &mut files {
            file.file = file.file.take().filter(|file| is_kept_open(role, file));
        }
        let snapshot = release.snapshot().or(before.map(|head| &head.snapshot));
        let root = root.expect("a first release has a root");
        let snapshot = snapshot.expect("a first release has a snapshot").clone();
        let timestamp = release.timestamp().clone();
        match before {
            Some(before) => before.with(root, snapshot, timestamp, files),
            None => Head::new(root, snapshot, timestamp, files),
        }
    }

    fn weight(&self) -> u64 {
        let head = &self.head;
        let online = head.root.bytes().len() + head.snapshot.bytes().len();
        let loaded = head.files.values().filter(|file| file.file.is_some());
        let loaded: u64 = loaded.map(|file| file.length).sum();
        (loaded + online as u64) * PARSED_FACTOR + head.files.len() as u64 * ENTRY_BYTES
    }
}

/// Lays files over a root and targets roles.
pub fn apply(
    new: &[RoleFile],
    root: &mut Option<Arc<Envelope<notary_schema::role::Root>>>,
    files: &mut BTreeMap<RoleName, StoredFile>,
) {
    for file in new {
        match file {
            RoleFile::Root(file) => *root = Some(file.clone()),
            RoleFile::Targets(role, file) => {
                files.insert(role.clone(), StoredFile::loaded(file.clone()));
            }
            RoleFile::Closed(closed) => {
                files.insert(closed.role().clone(), closed.stored().clone());
            }
        }
    }
}

/// A file as it is answered, with all of its headers made.
#[derive(Debug)]
pub struct Representation {
    /// The file.
    pub bytes: Bytes,
    /// Its entity tag.
    pub etag: HeaderValue,
    /// The file under gzip with its own entity tag, where that is shorter.
    pub gzip: Option<(Bytes, HeaderValue)>,
    /// When the file expires.
    pub expires: DateTime<Utc>,
}

impl From<FileBytes> for Representation {
    fn from(file: FileBytes) -> Representation {
        let etag = |suffix: &str| {
            let tag = format!("\"{}{suffix}\"", file.sha256);
            HeaderValue::from_str(&tag).expect("hexadecimal digits")
        };
        Representation {
            etag: etag(""),
            gzip: file.gzip.map(|gzip| (gzip, etag("-gzip"))),
            bytes: file.bytes,
            expires: file.expires.time(),
        }
    }
}

type FileKey = (CollectionId, RoleName, Version);

/// The newest state of collections and the files that they name.
pub struct Served {
    store: Arc<dyn Store>,
    lives: Cache<Gun, Arc<Live>>,
    files: Cache<FileKey, Arc<Representation>>,
    /// The newest commit that was answered from, by collection. It outlives the entries of `lives`
    /// and is held while one is replaced.
    newest: Mutex<HashMap<Gun, u64>>,
    /// Held while a collection is loaded, so that it is loaded once.
    loaders: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

impl Served {
    /// Caches of so many bytes for files, and as much again for the state of collections.
    pub fn new(store: Arc<dyn Store>, memory_bytes: u64) -> Served {
        // A collection that is larger than its share is still kept: loading it at each request
        // would cost more than the memory.
        let largest = memory_bytes / 4;
        let clamp = move |weight: u64| u32::try_from(weight.min(largest)).unwrap_or(u32::MAX);
        let weigh_file = move |_: &FileKey, file: &Arc<Representation>| {
            let gzip = file.gzip.as_ref().map_or(0, |(gzip, _)| gzip.len());
            clamp((file.bytes.len() + gzip) as u64 + ENTRY_BYTES)
        };
        Served {
            store,
            lives: Cache::builder()
                .max_capacity(memory_bytes)
                .weigher(move |_, live: &Arc<Live>| clamp(live.weight()))
                .build(),
            files: Cache::builder().max_capacity(memory_bytes).weigher(weigh_file).build(),
            newest: Mutex::default(),
            loaders: (0..LOADERS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The newest state of a collection, if it is at hand.
    pub fn in_memory(&self, gun: &Gun) -> Option<Arc<Live>> {
        self.lives.get(gun)
    }

    /// The newest state of a collection; `None` where there is none, or only a reservation.
    pub async fn live(&self, gun: &Gun) -> StoreResult<Option<Arc<Live>>> {
        if let Some(live) = self.lives.get(gun) {
            return Ok(Some(live));
        }
        let loader = self.hasher.hash_one(gun) as usize % LOADERS;
        let _loading = self.loaders[loader].lock().await;
        loop {
            if let Some(live) = self.lives.get(gun) {
                return Ok(Some(live));
            }
            let Some((collection, head)) = self.store.load_head(gun, State::Live).await? else {
                return Ok(None);
            };
            let live = Arc::new(Live { collection, head: Arc::new(head) });
            if self.replace(live.clone()) {
                return Ok(Some(live));
            }
        }
    }

    /// Makes a state the newest; `false` when there is a newer one.
    pub fn replace(&self, live: Arc<Live>) -> bool {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let gun = live.collection.gun.clone();
        let last = newest.entry(gun.clone()).or_default();
        if live.collection.seq < *last {
            return false;
        }
        *last = live.collection.seq;
        self.lives.insert(gun, live);
        true
    }

    /// Forgets a state that somebody else has moved on from.
    pub fn forget(&self, gun: &Gun) {
        self.lives.invalidate(gun);
    }

    /// Forgets a state that an administrator has changed, and refuses every state from before that.
    pub fn forget_before(&self, collection: &Collection) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let last = newest.entry(collection.gun.clone()).or_default();
        *last = collection.seq.max(*last);
        self.lives.invalidate(&collection.gun);
    }

    /// A committed file, current or earlier, if it is at hand.
    pub fn file_in_memory(
        &self,
        id: CollectionId,
        role: RoleName,
        version: Version,
    ) -> Option<Arc<Representation>> {
        self.files.get(&(id, role, version))
    }

    /// A committed file, current or earlier.
    pub async fn file(
        &self,
        id: CollectionId,
        role: RoleName,
        version: Version,
    ) -> StoreResult<Option<Arc<Representation>>> {
        let key = (id, role, version);
        if let Some(file) = self.files.get(&key) {
            return Ok(Some(file));
        }
        let Some(file) = self.store.file(id, &key.1, version).await? else { return Ok(None) };
        let file = Arc::new(Representation::from(file));
        self.files.insert(key, file.clone());
        Ok(Some(file))
    }
}
