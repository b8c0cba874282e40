-- Their orders, as on the playground of `npm start`.
use shop;
create table customer_order (id varchar(64) primary key default (uuid()), customer_id int not null, amount bigint not null);
