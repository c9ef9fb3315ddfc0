//! What an object of each kind looks like. Kinds that are tables tell it themselves.

use crate::{
    Kind, istio, ripstop,
    schema::{Decode, Message, Shape},
};

macro_rules! fields {
    ($($name:literal: $shape:expr),* $(,)?) => {
        Shape::Message(&Message { fields: &[$(($name, &$shape)),*] })
    };
}

/// An object: what every kind has, and what this one adds.
macro_rules! object {
    ($($name:literal: $shape:expr),* $(,)?) => {
        &Message {
            fields: &[
                ("apiVersion", &SCALAR),
                ("kind", &SCALAR),
                ("metadata", &METADATA),
                ("status", &ANY),
                $(($name, &$shape)),*
            ],
        }
    };
}

/// An object whose `spec` is a table.
macro_rules! table {
    ($Spec:ty) => {
        object! { "spec": <$Spec as Decode>::SHAPE }
    };
}

/// The fields of an object of this kind.
pub(super) fn object(kind: Kind) -> &'static Message {
    match kind {
        Kind::Namespace => object! { "spec": fields! { "finalizers": TEXTS } },
        Kind::ServiceAccount => object! {
            "automountServiceAccountToken": SCALAR,
            "imagePullSecrets": REFERENCES,
            "secrets": REFERENCES,
        },
        Kind::Service => object! { "spec": SERVICE },
        Kind::Secret => object! {
            "data": SCALARS,
            "immutable": SCALAR,
            "stringData": SCALARS,
            "type": SCALAR,
        },
        Kind::ConfigMap => object! { "binaryData": SCALARS, "data": SCALARS, "immutable": SCALAR },
        Kind::PeerAuthentication => object! { "spec": PEER_AUTHENTICATION },
        Kind::RequestAuthentication => table!(istio::RequestAuthentication),
        Kind::AuthorizationPolicy => table!(istio::AuthorizationPolicy),
        Kind::VirtualService => table!(istio::VirtualService),
        Kind::DestinationRule => table!(istio::DestinationRule),
        Kind::Gateway => table!(istio::Gateway),
        Kind::ServiceEntry => table!(istio::ServiceEntry),
        Kind::WorkloadEntry => table!(istio::WorkloadEntry),
        Kind::WorkloadGroup => table!(istio::WorkloadGroup),
        Kind::Sidecar => table!(istio::Sidecar),
        Kind::ProxyConfig => table!(istio::ProxyConfig),
        Kind::Telemetry => table!(istio::Telemetry),
        Kind::IstioOperator => table!(istio::IstioOperator),
        Kind::Node => object! { "spec": NODE },
        Kind::Process => object! { "spec": PROCESS },
        Kind::Mesh => object! { "spec": MESH },
        Kind::TrafficPolicy => table!(ripstop::TrafficPolicy),
    }
}

/// Every field of an object of this kind below `spec`, to its end, as `a.b[].c`; `{}` stands for any key.
pub fn fields_of(kind: Kind) -> Vec<String> {
    let mut all = Vec::new();
    for (_, spec) in object(kind).fields.iter().filter(|(name, _)| *name == "spec") {
        collect(spec, String::new(), &mut all);
    }
    all
}

fn collect(shape: &Shape, path: String, all: &mut Vec<String>) {
    match shape {
        Shape::Scalar | Shape::Any | Shape::List(Shape::Scalar) | Shape::Map(Shape::Scalar) => all.push(path),
        Shape::List(item) => collect(item, format!("{path}[]"), all),
        Shape::Map(value) => collect(value, format!("{path}.{{}}"), all),
        Shape::Message(message) => {
            for (name, shape) in message.fields {
                collect(shape, crate::decode::join(&path, name), all);
            }
        }
    }
}

const SCALAR: Shape = Shape::Scalar;
const SCALARS: Shape = Shape::Map(&Shape::Scalar);
const TEXTS: Shape = Shape::List(&Shape::Scalar);
const ANY: Shape = Shape::Any;
const LIST: Shape = Shape::List(&Shape::Any);

/// References to objects of the same namespace.
const REFERENCES: Shape = Shape::List(&fields! {
    "apiVersion": SCALAR,
    "fieldPath": SCALAR,
    "kind": SCALAR,
    "name": SCALAR,
    "namespace": SCALAR,
    "resourceVersion": SCALAR,
    "uid": SCALAR,
});

const METADATA: Shape = fields! {
    "annotations": SCALARS,
    "creationTimestamp": SCALAR,
    "deletionGracePeriodSeconds": SCALAR,
    "deletionTimestamp": SCALAR,
    "finalizers": TEXTS,
    "generateName": SCALAR,
    "generation": SCALAR,
    "labels": SCALARS,
    "managedFields": LIST,
    "name": SCALAR,
    "namespace": SCALAR,
    "ownerReferences": Shape::List(&fields! {
        "apiVersion": SCALAR,
        "blockOwnerDeletion": SCALAR,
        "controller": SCALAR,
        "kind": SCALAR,
        "name": SCALAR,
        "uid": SCALAR,
    }),
    "resourceVersion": SCALAR,
    "selfLink": SCALAR,
    "uid": SCALAR,
};

const SERVICE: Shape = fields! {
    "allocateLoadBalancerNodePorts": SCALAR,
    "clusterIP": SCALAR,
    "clusterIPs": TEXTS,
    "externalIPs": TEXTS,
    "externalName": SCALAR,
    "externalTrafficPolicy": SCALAR,
    "healthCheckNodePort": SCALAR,
    "internalTrafficPolicy": SCALAR,
    "ipFamilies": TEXTS,
    "ipFamily": SCALAR,
    "ipFamilyPolicy": SCALAR,
    "loadBalancerClass": SCALAR,
    "loadBalancerIP": SCALAR,
    "loadBalancerSourceRanges": TEXTS,
    "ports": Shape::List(&fields! {
        "appProtocol": SCALAR,
        "name": SCALAR,
        "nodePort": SCALAR,
        "port": SCALAR,
        "protocol": SCALAR,
        "targetPort": SCALAR,
    }),
    "publishNotReadyAddresses": SCALAR,
    "selector": SCALARS,
    "sessionAffinity": SCALAR,
    "sessionAffinityConfig": fields! { "clientIP": fields! { "timeoutSeconds": SCALAR } },
    "topologyKeys": TEXTS,
    "trafficDistribution": SCALAR,
    "type": SCALAR,
};

const MTLS: Shape = fields! { "mode": SCALAR };

const PEER_AUTHENTICATION: Shape = fields! {
    "mtls": MTLS,
    "portLevelMtls": Shape::Map(&MTLS),
    "selector": fields! { "matchLabels": SCALARS },
};

const NODE: Shape = fields! {
    "podCIDR": SCALAR,
    "podCIDRs": TEXTS,
    "providerID": SCALAR,
    "taints": Shape::List(&fields! {
        "effect": SCALAR,
        "key": SCALAR,
        "timeAdded": SCALAR,
        "value": SCALAR,
    }),
    "unschedulable": SCALAR,
};

const MESH: Shape = fields! {
    "clusterId": SCALAR,
    "dns": fields! { "upstream": TEXTS },
    "egress": fields! { "allow": TEXTS, "deny": TEXTS },
    "logLevel": SCALAR,
    "meshConfig": <istio::MeshConfig as Decode>::SHAPE,
    "metricsPort": SCALAR,
    "mtls": MTLS,
    "rootNamespace": SCALAR,
    "serviceDomain": SCALAR,
    "trustDomain": SCALAR,
};

const PROCESS: Shape = fields! {
    "activeDeadlineSeconds": SCALAR,
    "affinity": ANY,
    "allowedRoutes": <ripstop::AllowedRoutes as Decode>::SHAPE,
    "args": TEXTS,
    "automountServiceAccountToken": SCALAR,
    "command": TEXTS,
    "dnsConfig": ANY,
    "dnsPolicy": SCALAR,
    "enableServiceLinks": SCALAR,
    "env": Shape::List(&fields! { "name": SCALAR, "value": SCALAR, "valueFrom": ANY }),
    "envFrom": LIST,
    "hostAliases": LIST,
    "hostNetwork": SCALAR,
    "hostname": SCALAR,
    "image": SCALAR,
    "imagePullPolicy": SCALAR,
    "imagePullSecrets": REFERENCES,
    "lifecycle": ANY,
    "livenessProbe": PROBE,
    "node": SCALAR,
    "nodeSelector": SCALARS,
    "ports": Shape::List(&fields! {
        "containerPort": SCALAR,
        "hostIP": SCALAR,
        "hostPort": SCALAR,
        "name": SCALAR,
        "protocol": SCALAR,
    }),
    "priorityClassName": SCALAR,
    "readinessProbe": PROBE,
    "replicas": SCALAR,
    "resources": fields! {
        "claims": LIST,
        "limits": fields! { "cpu": SCALAR, "ephemeral-storage": SCALAR, "memory": SCALAR },
        "requests": SCALARS,
    },
    "restartPolicy": SCALAR,
    "role": SCALAR,
    "runAsUser": SCALAR,
    "schedulerName": SCALAR,
    "serviceAccount": SCALAR,
    "serviceAccountName": SCALAR,
    "startupProbe": PROBE,
    "stdin": SCALAR,
    "subdomain": SCALAR,
    "terminationGracePeriodSeconds": SCALAR,
    "terminationMessagePath": SCALAR,
    "terminationMessagePolicy": SCALAR,
    "tolerations": LIST,
    "topologySpreadConstraints": LIST,
    "tty": SCALAR,
    "volumeMounts": LIST,
    "volumes": LIST,
    "workingDir": SCALAR,
};

const PROBE: Shape = fields! {
    "exec": fields! { "command": TEXTS },
    "failureThreshold": SCALAR,
    "grpc": fields! { "port": SCALAR, "service": SCALAR },
    "httpGet": fields! {
        "host": SCALAR,
        "httpHeaders": Shape::List(&fields! { "name": SCALAR, "value": SCALAR }),
        "path": SCALAR,
        "port": SCALAR,
        "scheme": SCALAR,
    },
    "initialDelaySeconds": SCALAR,
    "periodSeconds": SCALAR,
    "successThreshold": SCALAR,
    "tcpSocket": fields! { "host": SCALAR, "port": SCALAR },
    "terminationGracePeriodSeconds": SCALAR,
    "timeoutSeconds": SCALAR,
};
